//! OpenRally's words, of versions 0.x and 1.0.x.

use std::str::FromStr;

use crate::commands::import::roadbook::number_in;

/// How a file gives speeds and radii.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Units {
    /// km/h and metres.
    #[default]
    Metric,
    /// Miles per hour and yards.
    Statute,
}

impl FromStr for Units {
    type Err = String;

    /// The schema itself spells one of the two words `statue`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "metric" => Ok(Self::Metric),
            "statute" | "statue" => Ok(Self::Statute),
            _ => Err(format!("units {text:?} are neither metric nor statute")),
        }
    }
}

impl Units {
    /// km/h, rounded to 0.01 as every speed that is compared.
    pub(super) fn kmh(self, speed: f64) -> f64 {
        match self {
            Self::Metric => speed,
            Self::Statute => (speed * 160.934_4).round() / 100.0,
        }
    }

    /// Metres, rounded to 0.01 as every distance that is compared.
    pub(super) fn metres(self, length: f64) -> f64 {
        match self {
            Self::Metric => length,
            Self::Statute => (length * 91.44).round() / 100.0,
        }
    }
}

/// One element of a point's extensions.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tag {
    /// Its local name in lower case.
    pub(super) name: String,
    /// The attribute `name`.
    pub(super) label: Option<String>,
    /// The attribute `clear`, in the file's units.
    pub(super) clear: Option<f64>,
    /// What it contains.
    pub(super) text: String,
    /// Line of the source.
    pub(super) line: u64,
}

impl Tag {
    /// A tag from its attributes; its text comes later.
    pub(super) fn new(name: &str, attributes: &[(String, String)], line: u64) -> Result<Self, String> {
        let find = |name| attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.trim());
        let clear = find("clear").map(|text| number_in(text, "clear", 0.01, 20_000.0)).transpose()?;
        let label = find("name").filter(|text| !text.is_empty()).map(ToOwned::to_owned);
        Ok(Self { name: name.to_owned(), label, clear, text: String::new(), line })
    }

    /// The kind of waypoint that the tag makes of its point; the lower rank wins where a point has several.
    ///
    /// What is validated by itself ranks before what only bounds a stretch, so that a safety waypoint at which a
    /// zone begins is missed as a safety waypoint.
    pub(super) fn kind(&self) -> Option<(u8, &'static str)> {
        Some(match self.name.as_str() {
            "dss" | "startspecialstage" => (0, "DSS"),
            "ass" | "finishspecialstage" => (1, "ASS"),
            "wpm" | "waypointmasked" => (2, "WPM"),
            "wps" | "waypointsafety" => (3, "WPS"),
            "wpe" | "waypointeclipse" => (4, "WPE"),
            "wpc" => (5, "WPC"),
            "wpv" => (6, "WPV"),
            "wpp" => (7, "WPP"),
            "wpn" => (8, "WPN"),
            "checkpoint" | "passagecontrol" => (9, "CP"),
            "dz" | "startofzone" => (10, "DZ"),
            "fz" | "endofzone" => (11, "FZ"),
            "neutralization" | "sn" => (12, "DN"),
            "fn" => (13, "FN"),
            "dt" => (14, "DT"),
            "ft" => (15, "FT"),
            "danger" => (16, "DAN"),
            _ => return None,
        })
    }
}
