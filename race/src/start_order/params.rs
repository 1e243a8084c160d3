//! What a stage says about its start order: `start_order_strategy` and `start_order_strategy_params`.

use serde::Deserialize;

use crate::course::tables::Stage;
use crate::course::validate::MAX_SECONDS;
use crate::num::round_to;

/// The largest n, group or position in a start order: far more than ever started anywhere.
pub const MAX_POSITION: i64 = 100_000;

/// The largest `input_factor`; one that is larger is a mistake, and would not fit milliseconds.
const MAX_FACTOR: f64 = 1_000.0;

const STRATEGY: &str = "start_order_strategy";
const PARAMS: &str = "start_order_strategy_params";

/// How a start order is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// As listed; who is not listed follows by race number.
    Manual,
    /// Clean time plus the penalties that count for a start order, ascending.
    PreviousStageCleanResult,
    /// The first n of the ranking reversed, then the rest.
    InverseTopNThenNatural,
    /// The overall standings reversed.
    InverseOfOverall,
}

impl Strategy {
    const ALL: [(&'static str, Self); 4] = [
        ("manual", Self::Manual),
        ("previous_stage_clean_result", Self::PreviousStageCleanResult),
        ("inverse_top_n_then_natural", Self::InverseTopNThenNatural),
        ("inverse_of_overall", Self::InverseOfOverall),
    ];

    /// Whether the results of another stage decide.
    pub fn reads_results(self) -> bool {
        self != Self::Manual
    }
}

/// A stage's strategy with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Params {
    /// How the order is found.
    pub strategy: Strategy,
    /// Race numbers in the order in which they start.
    pub listed: Vec<i64>,
    /// How many of the ranking are reversed.
    pub n: usize,
    /// What a result is multiplied by before it is compared, in millionths.
    pub factor_micro: i64,
    /// The intervals by position; empty when the parameters give none.
    pub tiers: Vec<Tier>,
}

/// One interval for a range of positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// The last position it is for; null for all that follow.
    pub upto: Option<i64>,
    /// Milliseconds before each start.
    pub interval_ms: i64,
    /// How many start together.
    pub group: i64,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Written {
    order: Option<Vec<i64>>,
    n: Option<i64>,
    input_factor: Option<f64>,
    tiers: Option<Vec<WrittenTier>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTier {
    upto: Option<i64>,
    seconds: f64,
    group: Option<i64>,
}

impl Params {
    /// Reads the columns of a stage. Without a strategy the order is by race number.
    ///
    /// # Errors
    /// The column and what is wrong with it.
    pub fn of_stage(row: &Stage) -> Result<Self, (&'static str, String)> {
        let strategy = match row.start_order_strategy.as_deref() {
            None => Strategy::Manual,
            Some(name) => {
                let known = Strategy::ALL.iter().find(|(known, _)| *known == name);
                known.map(|(_, strategy)| *strategy).ok_or_else(|| (STRATEGY, unknown(name)))?
            }
        };
        let written: Written = match &row.start_order_strategy_params {
            None => Written::default(),
            Some(value) => Written::deserialize(value).map_err(|e| (PARAMS, e.to_string()))?,
        };
        written.check(strategy).map_err(|message| (PARAMS, message))
    }
}

fn unknown(name: &str) -> String {
    let name: String = name.chars().take(64).collect();
    let known: Vec<&str> = Strategy::ALL.iter().map(|(known, _)| *known).collect();
    format!("unknown strategy {name:?}; known are {}", known.join(", "))
}

impl Written {
    fn check(self, strategy: Strategy) -> Result<Params, String> {
        let listed = self.order.unwrap_or_default();
        let mut seen = std::collections::BTreeSet::new();
        if let Some(twice) = listed.iter().find(|number| !seen.insert(**number)) {
            return Err(format!("order: number {twice} is listed twice"));
        }
        if self.n.is_none() && strategy == Strategy::InverseTopNThenNatural {
            return Err("n: is required, how many of the ranking start in reverse order".to_owned());
        }
        let n = self.n.unwrap_or(0);
        let n = within("n", n, 0)?;
        let factor = self.input_factor.unwrap_or(1.0);
        let factor_micro = round_to(factor, 1e6);
        if factor_micro < 1 || factor > MAX_FACTOR {
            return Err(format!("input_factor: is {factor}, allowed is above 0 to {MAX_FACTOR}"));
        }
        Ok(Params {
            strategy,
            listed,
            n: usize::try_from(n).unwrap_or(usize::MAX),
            factor_micro,
            tiers: tiers(&self.tiers.unwrap_or_default())?,
        })
    }
}

fn within(field: &str, value: i64, min: i64) -> Result<i64, String> {
    if (min..=MAX_POSITION).contains(&value) {
        Ok(value)
    } else {
        Err(format!("{field}: is {value}, allowed is {min} to {MAX_POSITION}"))
    }
}

fn tiers(written: &[WrittenTier]) -> Result<Vec<Tier>, String> {
    let mut tiers: Vec<Tier> = Vec::with_capacity(written.len());
    for (n, tier) in written.iter().enumerate() {
        let field = |name: &str| format!("tiers[{n}].{name}");
        if !(0.0..=MAX_SECONDS).contains(&tier.seconds) {
            let seconds = tier.seconds;
            return Err(format!("{}: is {seconds}, allowed is 0 to {MAX_SECONDS} s", field("seconds")));
        }
        let above = match tiers.last() {
            None => 1,
            Some(Tier { upto: Some(before), .. }) => before + 1,
            Some(Tier { upto: None, .. }) => {
                return Err(format!("tiers[{n}]: the tier before it has no end (upto)"));
            }
        };
        tiers.push(Tier {
            upto: tier.upto.map(|upto| within(&field("upto"), upto, above)).transpose()?,
            interval_ms: round_to(tier.seconds, 1e3),
            group: within(&field("group"), tier.group.unwrap_or(1), 1)?,
        });
    }
    Ok(tiers)
}
