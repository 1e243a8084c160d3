//! One page of HTML that needs nothing else: styles inside, no script, nothing fetched, and fit for A4.

use std::fmt::Write as _;

/// Nothing is fetched or run, whatever a name may contain.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

const STYLE: &str = "
@page { size: A4; margin: 12mm 10mm 14mm; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 190mm; padding: 4mm; color: #000; background: #fff;
  font: 10pt/1.35 system-ui, 'Liberation Sans', Arial, sans-serif; }
h1 { font-size: 16pt; margin: 0 0 1mm; }
h2 { font-size: 13pt; margin: 5mm 0 1mm; break-after: avoid; }
h3 { font-size: 10.5pt; margin: 4mm 0 1mm; break-after: avoid; }
p { margin: 0 0 2mm; }
section { break-before: page; }
section:first-of-type { break-before: auto; }
table { width: 100%; border-collapse: collapse; font-size: 9pt; font-variant-numeric: tabular-nums; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
th { text-align: right; border-bottom: 0.4mm solid #000; padding: 0.8mm 1.2mm; white-space: nowrap; }
td { text-align: right; border-bottom: 0.1mm solid #999; padding: 0.7mm 1.2mm; vertical-align: top; }
th.words, td.words { text-align: left; }
td.number { white-space: nowrap; }
.provisional { display: inline-block; border: 0.5mm solid #000; padding: 0.3mm 2mm; font-weight: bold;
  letter-spacing: 0.08em; text-transform: uppercase; }
footer { margin-top: 6mm; border-top: 0.2mm solid #000; padding-top: 1mm; font-size: 8pt; break-inside: avoid; }
@media screen { section + section { margin-top: 10mm; } }
@media print { body { max-width: none; padding: 0; } }
";

/// A page that grows from its top to its end.
pub(crate) struct Page(String);

/// A column of a table.
#[derive(Clone, Copy)]
pub(crate) enum Column {
    /// Of numbers, to the right.
    Number(&'static str),
    /// Of words, to the left.
    Words(&'static str),
}

impl Page {
    /// Begins a page.
    pub(crate) fn new(title: &str) -> Self {
        let mut page = Self(String::new());
        let _ = write!(
            page.0,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n<title>{}</title>\n\
             <style>{STYLE}</style>\n</head>\n<body>\n",
            escaped(title)
        );
        page.element("h1", title);
        page
    }

    /// An element with a text in it.
    pub(crate) fn element(&mut self, name: &str, text: &str) {
        let _ = writeln!(self.0, "<{name}>{}</{name}>", escaped(text));
    }

    /// Begins a section, on paper on a page of its own.
    pub(crate) fn section(&mut self, title: &str, provisional: bool) {
        self.0.push_str("<section>\n");
        self.element("h2", title);
        if provisional {
            self.0.push_str("<p><span class=\"provisional\">Provisional</span></p>\n");
        }
    }

    /// Ends a section.
    pub(crate) fn end_section(&mut self) {
        self.0.push_str("</section>\n");
    }

    /// A table whose header is repeated on each sheet of paper.
    pub(crate) fn table<const N: usize>(
        &mut self,
        columns: [Column; N],
        rows: impl Iterator<Item = [String; N]>,
    ) {
        self.0.push_str("<table>\n<thead><tr>");
        for column in columns {
            let (class, name) = match column {
                Column::Number(name) => ("", name),
                Column::Words(name) => (" class=\"words\"", name),
            };
            let _ = write!(self.0, "<th scope=\"col\"{class}>{}</th>", escaped(name));
        }
        self.0.push_str("</tr></thead>\n<tbody>\n");
        for row in rows {
            self.0.push_str("<tr>");
            for (column, cell) in columns.into_iter().zip(row) {
                let class = if matches!(column, Column::Words(_)) { "words" } else { "number" };
                let _ = write!(self.0, "<td class=\"{class}\">{}</td>", escaped(&cell));
            }
            self.0.push_str("</tr>\n");
        }
        self.0.push_str("</tbody>\n</table>\n");
    }

    /// Ends the page with what stands at its foot.
    pub(crate) fn end(mut self, foot: &str) -> String {
        self.element("footer", foot);
        self.0.push_str("</body>\n</html>\n");
        self.0
    }
}

/// As the content of an element or of a quoted attribute.
pub(crate) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '"' => shown.push_str("&quot;"),
            '\'' => shown.push_str("&#39;"),
            _ => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_written_stays_text() {
        let nasty = "<script>alert('x')</script>&\"";
        let mut page = Page::new(nasty);
        page.section(nasty, true);
        page.table([Column::Words("Name")], [[nasty.to_owned()]].into_iter());
        page.end_section();
        let text = page.end(nasty);
        assert!(!text.contains("<script"), "{text}");
        assert_eq!(text.matches("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;").count(), 5);
        assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("url("));
    }
}
