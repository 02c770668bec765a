//! Checking a config against its schema before anything is started with it: all problems at once, each with
//! the place, what was found there and what is allowed.
//!
//! The schema is derived from the config's type by `schemars`; [`check`] knows the keywords that it writes
//! for plain records, choices, lists and optional values. It fails closed: a keyword it does not know is
//! itself a problem.

mod check;
mod defaults;
mod grid;
mod limits;
mod order;
mod words;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

pub(crate) use check::join as pointer;
pub use check::{check, unknown_keywords};
pub(crate) use defaults::{describe, filled, without};
pub use grid::expand;
pub(crate) use order::arrange;
pub(crate) use words::{found, with_suggestion};

/// Something in a config or a request that cannot be used.
#[derive(Clone, Debug, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Problem {
    /// Where: an RFC 6901 JSON pointer, `/training_params/lr`; empty for the whole.
    pub pointer: String,
    /// What was found and what is allowed.
    pub message: String,
    /// Pointers to the parts of the config that it hangs on.
    #[serde(skip, default = "whole")]
    parts: &'static [&'static str],
}

/// Everything.
fn whole() -> &'static [&'static str] {
    &[""]
}

impl Problem {
    /// A problem at a place.
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into(), parts: whole() }
    }

    /// Says which parts of the config it hangs on, by pointers to all that one has to look at to tell it. Then it is told beside problems of other
    /// parts. Without, it may hang on everything, and is not told before all else is right.
    #[must_use]
    pub fn of(self, parts: &'static [&'static str]) -> Self {
        Self { parts, ..self }
    }

    /// Whether it hangs on what is at a place, or on what that is a part of.
    pub(crate) fn hangs_on(&self, place: &str) -> bool {
        let below = |inner: &str, outer: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.parts.iter().any(|part| below(part, place) || below(place, part))
    }
}

/// Equal problems say the same of the same place.
impl PartialEq for Problem {
    fn eq(&self, other: &Self) -> bool {
        (&self.pointer, &self.message) == (&other.pointer, &other.message)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.pointer.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.pointer, self.message)
    }
}

/// Problems that keep a config from being used; at least one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the config is invalid: {}", self.first(5, "; "))]
pub struct Invalid(pub Vec<Problem>);

impl Invalid {
    /// The first `most` problems, and how many more there are.
    ///
    /// ```
    /// # use azura_learner::config::{Invalid, Problem};
    /// let invalid = Invalid(["/a", "/b", "/c"].map(|place| Problem::new(place, "is wrong")).into());
    /// assert_eq!(invalid.first(2, ", "), "/a: is wrong, /b: is wrong, and 1 more");
    /// assert_eq!(invalid.first(3, ", "), "/a: is wrong, /b: is wrong, /c: is wrong");
    /// ```
    pub fn first(&self, most: usize, between: &str) -> String {
        let mut told: Vec<_> = self.0.iter().take(most).map(ToString::to_string).collect();
        if let more @ 1.. = self.0.len() - told.len() {
            told.push(format!("and {more} more"));
        }
        told.join(between)
    }
}

/// The JSON Schema of a config's type.
pub fn schema_of<C: JsonSchema>() -> Value {
    schemars::schema_for!(C).to_value()
}

/// Checks a config that was made in code, which nobody may have checked.
pub(crate) fn check_again<C: JsonSchema + Serialize>(config: &C) -> Result<(), Invalid> {
    let as_json = serde_json::to_value(config).map_err(|e| Invalid(vec![Problem::new("", e.to_string())]))?;
    let problems = check(&schema_of::<C>(), &as_json);
    if problems.is_empty() { Ok(()) } else { Err(Invalid(problems)) }
}

/// Checks a config and reads it; missing keys get their defaults.
///
/// ```
/// # use azura_learner::config::parse;
/// # use serde_json::json;
/// #[derive(Default, serde::Deserialize, schemars::JsonSchema)]
/// #[serde(default, deny_unknown_fields)]
/// struct Config {
///     #[schemars(range(min = 1, max = 100))]
///     epochs: u32,
/// }
///
/// let invalid = parse::<Config>(&json!({"epochs": 0, "epoch": 5})).err().unwrap();
/// assert_eq!(invalid.0.len(), 2);
/// assert_eq!(invalid.0[0].to_string(), "/epoch: unknown key `epoch`; did you mean `epochs`? allowed: `epochs`");
/// assert_eq!(invalid.0[1].to_string(), "/epochs: `0` is below the minimum 1");
/// ```
///
/// # Errors
/// [`Invalid`] with everything that [`check`] finds.
pub fn parse<C: JsonSchema + DeserializeOwned>(config: &Value) -> Result<C, Invalid> {
    let problems = check(&schema_of::<C>(), config);
    if !problems.is_empty() {
        return Err(Invalid(problems));
    }
    C::deserialize(config).map_err(|e| Invalid(vec![Problem::new("", e.to_string())]))
}
