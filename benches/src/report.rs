//! What was measured, against what it should be.

use serde::Serialize;

use super::durable::Indexes;
use super::worker::Worked;

/// Of the floor of the same round.
pub(crate) const OF_FLOOR: f64 = 0.9;
/// Of the clean rate, with repeats.
const OF_CLEAN: f64 = 0.6;
/// Of the clean table's size, with repeats.
const TABLE: f64 = 1.1;
const CPU_US: f64 = 2.0;
const OF_NODE: f64 = 3.5;

/// One row of the table.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    indexes: &'static str,
    what: String,
    per_second: f64,
    ratio: Option<f64>,
    ratio_to: &'static str,
    ratio_target: Option<f64>,
    cpu_us: Option<f64>,
    cpu_us_target: Option<f64>,
    table_ratio: Option<f64>,
    table_ratio_target: Option<f64>,
    /// `None` where there is no target.
    met: Option<bool>,
}

/// The table.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    entries: usize,
    batch_rows: usize,
    lines: Vec<Line>,
}

/// The run in the middle, by how it compares.
pub(crate) fn median(runs: &[Worked]) -> Option<&Worked> {
    let mut sorted: Vec<&Worked> = runs.iter().collect();
    sorted.sort_by(|a, b| a.ratio.total_cmp(&b.ratio));
    sorted.get(sorted.len() / 2).copied()
}

impl Line {
    fn new(indexes: Indexes, what: impl Into<String>, per_second: f64) -> Self {
        Self {
            indexes: indexes.name(),
            what: what.into(),
            per_second,
            ratio: None,
            ratio_to: "",
            ratio_target: None,
            cpu_us: None,
            cpu_us_target: None,
            table_ratio: None,
            table_ratio_target: None,
            met: None,
        }
    }

    pub(crate) fn floor(indexes: Indexes, what: &str, rates: &[f64]) -> Self {
        let mut rates = rates.to_vec();
        rates.sort_by(f64::total_cmp);
        Self::new(indexes, what, rates.get(rates.len() / 2).copied().unwrap_or_default())
    }

    pub(crate) fn worker(indexes: Indexes, what: &str, runs: &[Worked], target: f64) -> Self {
        let Some(run) = median(runs) else { return Self::new(indexes, what, 0.0) };
        let met = run.ratio >= target && run.cpu_us <= CPU_US;
        Self {
            ratio: Some(run.ratio),
            ratio_to: "floor",
            ratio_target: Some(target),
            cpu_us: Some(run.cpu_us),
            cpu_us_target: Some(CPU_US),
            met: Some(met),
            ..Self::new(indexes, what, run.rate)
        }
    }

    /// The Node worker; the ratio is that of the processor to it.
    pub(crate) fn node(indexes: Indexes, node: &[Worked], processor: &[Worked]) -> Self {
        let (Some(node), Some(processor)) = (median(node), median(processor)) else {
            return Self::new(indexes, "Node worker", 0.0);
        };
        let ratio = processor.rate / node.rate;
        Self {
            ratio: Some(ratio),
            ratio_to: "by processor",
            ratio_target: Some(OF_NODE),
            cpu_us: Some(node.cpu_us),
            met: Some(ratio >= OF_NODE),
            ..Self::new(indexes, "Node worker", node.rate)
        }
    }

    pub(crate) fn repeats(per_10_000: u32, runs: &[Worked], clean: &Worked) -> Self {
        let what = format!("processor, {} % repeats", f64::from(per_10_000) / 100.0);
        let Some(run) = median(runs) else { return Self::new(Indexes::Lean, what, 0.0) };
        let table = run.table_bytes as f64 / clean.table_bytes as f64;
        Self {
            ratio: Some(run.ratio),
            ratio_to: "clean",
            ratio_target: Some(OF_CLEAN),
            cpu_us: Some(run.cpu_us),
            table_ratio: Some(table),
            table_ratio_target: Some(TABLE),
            met: Some(run.ratio >= OF_CLEAN && table <= TABLE),
            ..Self::new(Indexes::Lean, what, run.rate)
        }
    }
}

impl Report {
    pub(crate) fn new(entries: usize, batch_rows: usize) -> Self {
        Self { entries, batch_rows, lines: Vec::new() }
    }

    pub(crate) fn add(&mut self, line: Line) {
        self.lines.push(line);
    }

    pub(crate) fn print_json(&self) -> anyhow::Result<()> {
        println!("{}", serde_json::to_string_pretty(self)?);
        Ok(())
    }

    pub(crate) fn print(&self) -> anyhow::Result<()> {
        println!("{} entries, transactions of {} rows\n", self.entries, self.batch_rows);
        println!(
            "{:<14} {:<29} {:>9} {:>20} {:>7} {:>12} {:>6} {:>7} {:>6}  met",
            "indexes", "", "entries/s", "ratio", "target", "CPU us/entry", "target", "table", "target"
        );
        let cell = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.2}"));
        for line in &self.lines {
            let ratio = line.ratio.map_or(String::new(), |ratio| format!("{ratio:.2} {}", line.ratio_to));
            println!(
                "{:<14} {:<29} {:>9.0} {:>20} {:>7} {:>12} {:>6} {:>7} {:>6}  {}",
                line.indexes,
                line.what,
                line.per_second,
                ratio,
                cell(line.ratio_target),
                cell(line.cpu_us),
                cell(line.cpu_us_target),
                cell(line.table_ratio),
                cell(line.table_ratio_target),
                line.met.map_or("", |met| if met { "yes" } else { "NO" })
            );
        }
        Ok(())
    }
}
