//! What cannot be imported: the exit code, and a message with file and line.

#![allow(clippy::unwrap_used, reason = "a test ends at what it does not expect")]

use std::process::Command;

const HEADER: &str = "number,latitude,longitude,kind,roadbook_km,limit_kmh\n";

/// Imports a source that cannot be; the message has to contain `says`.
#[track_caller]
fn refused(source: &str, options: &[&str], code: i32, says: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roadbook");
    std::fs::write(&path, source).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_processor"))
        .arg("import")
        .arg(&path)
        .args(options)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(says), "{says:?} is not in {said}");
    assert!(output.stdout.is_empty(), "a course was written all the same");
}

#[track_caller]
fn csv(rows: &str, says: &str) {
    refused(&format!("{HEADER}{rows}"), &[], 1, says);
}

/// A GPX document around some elements, which begin in line 3.
fn gpx(content: &str) -> String {
    format!(
        "<gpx xmlns=\"http://www.topografix.com/GPX/1/1\" version=\"1.1\"\n \
         xmlns:o=\"http://www.openrally.org/xmlschemas/GpxExtensions/v1.0.3\">\n{content}</gpx>"
    )
}

fn wpt(extensions: &str) -> String {
    gpx(&format!("<wpt lat=\"2\" lon=\"3\"><extensions>\n{extensions}\n</extensions></wpt>"))
}

#[test]
fn csv_that_cannot_be_read() {
    refused("", &[], 1, "roadbook:1: the file is empty");
    refused(" \n", &[], 1, "the file is empty");
    refused(HEADER, &[], 1, "no rows");
    refused(
        "number,latitude,longitude,kind,roadbook_km\n",
        &[],
        1,
        "roadbook:1: column limit_kmh is missing",
    );
    refused("number,number,latitude,longitude,kind,roadbook_km,limit_kmh\n", &[], 1, "number is there twice");
    csv("1,2,3,WPM,0,\nx,2,3,WPM,0,\n", "roadbook:3: number \"x\" is no whole number");
    csv("1,91,3,WPM,0,\n", "roadbook:2: latitude 91 is outside -90 to 90");
    csv("1,2,181,WPM,0,\n", "roadbook:2: longitude 181");
    csv("1,NaN,3,WPM,0,\n", "roadbook:2: latitude NaN");
    csv("1,,3,WPM,0,\n", "roadbook:2: latitude \"\" is no number");
    csv("1,2,3,DZ,0,0\n", "roadbook:2: limit_kmh 0 is outside");
    csv("1,2,3,WPM,far,\n", "roadbook:2: roadbook_km \"far\"");
    csv("1,2,3,WPM,0,\n\n1,2,3,WPM,0,\n", "number 1 is used before, in line 2");
    csv("1,2,3\n", "the row has 3 cells, the header has 6");
    csv("1,2,3,,0,\n2,2,3,DAN,0,\n", "no start found");
    csv("1,2,3,WPM,0,\n2,2,3,DAN,0,\n", "no finish found");
}

#[test]
fn gpx_that_cannot_be_read() {
    refused("<kml/>", &[], 1, "the document is a <kml>");
    refused("<gpx><wpt", &[], 1, "roadbook:1: ");
    refused("<gpx>\n<wpt lat='1' lon='2'>", &[], 1, "the file ends inside an element");
    refused("<gpx>\n</wpt>", &[], 1, "roadbook:2: ");
    refused(&gpx(""), &[], 1, "no wpt");
    refused(&gpx("\n<wpt lat='91' lon='3'/>"), &[], 1, "roadbook:4: latitude 91");
    refused(&gpx("<wpt lat='1'/>"), &[], 1, "roadbook:3: a wpt needs lat and lon");
    refused(&wpt("<o:wpm clear='wide'/>"), &[], 1, "roadbook:4: clear \"wide\" is no number");
    refused(&wpt("<o:dz>fast</o:dz>"), &[], 1, "roadbook:4: dz \"fast\" is no number");
    refused(&wpt("<p:dz/>"), &[], 1, "roadbook:4: the prefix \"p\" is not declared");
    refused(&gpx("<metadata><o:units>furlongs</o:units></metadata>"), &[], 1, "neither metric nor statute");
    let twice = "<wpt lat='1' lon='1'><name>7</name><type>CP</type></wpt>\n";
    refused(&gpx(&twice.repeat(2)), &[], 1, "roadbook:4: number 7 is used before, in line 3");
    refused(&gpx(&"<a>".repeat(100)), &[], 1, "nested more than");
}

#[test]
fn entities_are_never_expanded() {
    let bomb = "<!DOCTYPE gpx [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]>\n<gpx><wpt lat='1' lon='1'>\
                <name>&b;</name></wpt></gpx>";
    refused(bomb, &[], 1, "roadbook:1: a document type is not read");
    refused(&gpx("<wpt lat='1' lon='1'><name>&b;</name></wpt>"), &[], 1, "entity &b; is not known");
    refused(&gpx("<wpt lat='&b;' lon='1'/>"), &[], 1, "roadbook:3: ");
}

#[test]
fn command_lines_that_ask_for_what_is_not_there() {
    let good = format!("{HEADER}1,2,3,WPM,0,\n2,2.1,3,WPM,11,\n");
    for (options, says) in [
        (&["--cancel=2,9"][..], "--cancel 9: the roadbook has no point of that number"),
        (&["--start=9"], "--start 9"),
        (&["--finish=9"], "--finish 9"),
        (&["--start=2", "--finish=1"], "finish 1 does not come after start 2"),
        (&["--radius=0"], "allowed is 0.01 to 20000 m"),
        (&["--hysteresis=-1"], "allowed is 0 to 20000 m"),
        (&["--start-edge=cross"], "possible values: exit, enter"),
        (&["--entry=x"], "no whole number"),
        (&["--entry=5="], "not empty"),
        (&["--entry=5,5"], "--entry 5: the number is given twice"),
        (&["--missed=WPM"], "not a number"),
        (&["--missed=1,2"], "every kind is given twice"),
        (&["--starts-at=yesterday"], "ISO 8601"),
        (&["--nonsense"], "--nonsense"),
    ] {
        refused(&good, options, 2, says);
    }
}

#[test]
fn a_course_that_would_not_be_valid_is_not_written() {
    let good = format!("{HEADER}1,2,3,WPM,0,\n2,2.1,3,WPM,11,\n");
    let options = ["--starts-at=2026-06-07T18:00:00Z", "--ends-at=2026-06-07T06:00:00Z"];
    refused(&good, &options, 1, "ends_at: 2026-06-07T06:00:00.000Z is before starts_at");
    let long = "x".repeat(65);
    refused(&good, &["--entry", &format!("5={long}")], 1, "imei: has 65 characters");
}

#[test]
fn lines_are_counted_alike_with_carriage_returns() {
    let rows = format!("{HEADER}1,6.2,-76.1,WPS,0,\n2,99,-76.1,WPM,1,\n");
    refused(&rows, &[], 1, ":3: ");
    refused(&rows.replace('\n', "\r\n"), &[], 1, ":3: ");
}
