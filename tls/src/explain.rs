//! What went wrong in a handshake, for a person and for a program.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// The error of TLS within `error` that asking again does not help against: a certificate is refused, ours or
/// theirs, or the other side speaks no TLS. `None` for a lost connection and for what is not of TLS.
pub fn refusal<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        // An `io::Error` passes over what it wraps when asked for its source.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let wrapped = wrapped.and_then(|inner| inner.downcast_ref::<Error>());
        if let Some(found) = wrapped.or_else(|| error.downcast_ref::<Error>()) {
            return is_final(found).then_some(found);
        }
        next = error.source();
    }
    None
}

fn is_final(error: &Error) -> bool {
    match error {
        // A server that goes down or is overloaded may say so by an alert.
        Error::AlertReceived(alert) => {
            !matches!(alert, AlertDescription::InternalError | AlertDescription::UserCanceled)
        }
        Error::HandshakeNotComplete | Error::FailedToGetCurrentTime | Error::FailedToGetRandomBytes => false,
        _ => true,
    }
}

/// The error in words that say what to do about it, where something can be done.
pub fn explain(error: &Error) -> String {
    let hint = match error {
        // A root of the same name and another key counts as a wrong signature.
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "no trusted root vouches for the server's certificate; TLS_CA_FILE adds roots"
        }
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the server's certificate is for another name than the one connected to",
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "the server's certificate has expired"
        }
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the server wants a client certificate"
        }
        Error::InvalidMessage(_) => "the server does not speak TLS on this port",
        _ => return format!("TLS: {error}"),
    };
    format!("TLS: {hint} ({error})")
}
