//! What went wrong in a handshake, for a person and for a program.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// The error of TLS within `error` that asking again does not help against: a certificate is refused, ours or
/// theirs, or the other side speaks no TLS. `None` for a lost connection and for what is not of TLS.
pub fn refusal<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<Error>() {
            return is_final(found).then_some(found);
        }
        // An `io::Error` passes over what it wraps when asked for its source.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = wrapped.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| error.source());
    }
    None
}

/// A list of what is known to stay as it is; a record that was garbled on the way, say, is not on it.
fn is_final(error: &Error) -> bool {
    use AlertDescription as Alert;
    match error {
        Error::InvalidCertificate(_)
        | Error::InvalidMessage(_)
        | Error::NoCertificatesPresented
        | Error::PeerIncompatible(_)
        | Error::UnsupportedNameType => true,
        Error::AlertReceived(alert) => matches!(
            alert,
            Alert::HandshakeFailure
                | Alert::NoCertificate
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::CertificateRequired
                | Alert::UnknownCA
                | Alert::AccessDenied
                | Alert::ProtocolVersion
                | Alert::InsufficientSecurity
                | Alert::UnrecognisedName
                | Alert::NoApplicationProtocol
        ),
        _ => false,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(error: Error) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    #[test]
    fn what_stays_as_it_is_is_told_from_what_may_pass() {
        for error in [
            Error::InvalidCertificate(CertificateError::Expired),
            Error::AlertReceived(AlertDescription::CertificateRequired),
            Error::AlertReceived(AlertDescription::UnknownCA),
        ] {
            assert_eq!(refusal(&wrapped(error.clone())), Some(&error));
            // However deep it lies.
            assert_eq!(refusal(&io::Error::other(wrapped(error.clone()))), Some(&error));
        }
        for error in [
            Error::DecryptError,
            Error::AlertReceived(AlertDescription::InternalError),
            Error::AlertReceived(AlertDescription::CloseNotify),
        ] {
            assert_eq!(refusal(&wrapped(error)), None);
        }
        assert_eq!(refusal(&io::Error::from(io::ErrorKind::ConnectionReset)), None);
    }
}
