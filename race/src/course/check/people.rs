//! Entries, trackers and start lists: what leaves somebody untimed.

use super::finding::{Finding, Labelled, Severity};
use crate::course::tables::{SegmentType, StartMode, Tables};
use crate::course::validate::window::Windowed;

/// Adds events and entries that nothing can be computed for, and trackers that compete.
pub(super) fn check(tables: &Tables, findings: &mut Vec<Finding>) {
    for (n, event) in tables.events.iter().enumerate() {
        if !tables.entries.iter().any(|entry| entry.event_id == event.id) {
            findings.push(Finding {
                code: "event-without-entries",
                severity: Severity::Warning,
                rows: vec![event.row_ref(n, tables)],
                message: "nobody is entered".to_owned(),
            });
        }
    }
    for (n, entry) in tables.entries.iter().enumerate() {
        if !tables.entry_devices.iter().any(|device| device.entry_id == entry.id) {
            findings.push(Finding {
                code: "entry-without-device",
                severity: Severity::Warning,
                rows: vec![entry.row_ref(n, tables)],
                message: format!("no. {} carries no tracker", entry.race_number),
            });
        }
    }
    devices(tables, findings);
    segments(tables, findings);
}

fn devices(tables: &Tables, findings: &mut Vec<Finding>) {
    for (i, a) in tables.entry_devices.iter().enumerate() {
        for b in tables.entry_devices.iter().skip(i + 1) {
            // Of a whole field nearly no two rows have anything in common, and nothing more is looked up for those.
            if (a.entry_id == b.entry_id) == (a.device_id == b.device_id) || !a.window().meets(b.window()) {
                continue;
            }
            let entry = |id| tables.entries.iter().enumerate().find(|(_, entry)| entry.id == id);
            let (Some((n, of_a)), Some((m, of_b))) = (entry(a.entry_id), entry(b.entry_id)) else { continue };
            if n == m && a.timing && b.timing && a.device_id != b.device_id {
                findings.push(Finding {
                    code: "two-timing-devices",
                    severity: Severity::Warning,
                    rows: vec![of_a.row_ref(n, tables)],
                    message: format!("no. {} is timed by two trackers at once", of_a.race_number),
                });
            }
            if n != m && a.device_id == b.device_id && of_a.event_id == of_b.event_id {
                findings.push(Finding {
                    code: "device-shared",
                    severity: Severity::Warning,
                    rows: vec![of_a.row_ref(n, tables), of_b.row_ref(m, tables)],
                    message: format!(
                        "no. {} and no. {} carry one tracker at once",
                        of_a.race_number, of_b.race_number
                    ),
                });
            }
        }
    }
}

fn segments(tables: &Tables, findings: &mut Vec<Finding>) {
    for (n, segment) in tables.segments.iter().enumerate() {
        let mut found = |code, message: &str| {
            findings.push(Finding {
                code,
                severity: Severity::Warning,
                rows: vec![segment.row_ref(n, tables)],
                message: message.to_owned(),
            });
        };
        match segment.kind {
            SegmentType::SpecialStage => {
                let listed = tables.entry_segment_starts.iter().any(|start| start.segment_id == segment.id);
                if segment.start_mode == StartMode::Standing && !listed {
                    found(
                        "standing-start-without-list",
                        "a standing start takes its times from a list, and there is none",
                    );
                }
            }
            SegmentType::Liaison if segment.exit_geofence_id.is_none() => {
                found("segment-without-geofence", "no exit geofence: an arrival is never seen");
            }
            SegmentType::ParcFerme if segment.entry_geofence_id.is_none() => {
                found("segment-without-geofence", "no entry geofence: neither arrival nor absence is seen");
            }
            SegmentType::Liaison | SegmentType::ParcFerme => {}
        }
    }
}
