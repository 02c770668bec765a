//! Names of tasks and workers.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The name of a task: a UUID.
///
/// Ids made here are random (version 4); those that arrive from elsewhere may be of any version.
///
/// ```
/// # use azura_queue::TaskId;
/// let id: TaskId = "6F1C7A6E-57B5-4B4E-9E0A-0D5C1D6E7F80".parse()?;
/// assert_eq!(id.to_string(), "6f1c7a6e-57b5-4b4e-9e0a-0d5c1d6e7f80");
/// assert!("7".parse::<TaskId>().is_err());
/// # Ok::<(), azura_queue::ParseTaskIdError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(Uuid);

impl TaskId {
    /// A new random id.
    pub fn random() -> Self {
        Self(uuid())
    }

    /// The half of it that is random in every version.
    pub(crate) fn low_bits(self) -> u64 {
        self.0.as_u64_pair().1
    }
}

/// A random UUID.
fn uuid() -> Uuid {
    #[cfg(test)]
    if let Some(simulated) = crate::simulation::stand_in::uuid() {
        return simulated;
    }
    Uuid::new_v4()
}

impl fmt::Display for TaskId {
    /// Lower case with hyphens, 36 characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// A text that was to be a [`TaskId`] is no UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no task id: a UUID is expected")]
pub struct ParseTaskIdError(String);

impl FromStr for TaskId {
    type Err = ParseTaskIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self).map_err(|_| ParseTaskIdError(text.chars().take(64).collect()))
    }
}

/// The name of a worker, as people read it.
///
/// Nothing depends on its being unique: it is the attempt of a [`Lease`](crate::Lease) that keeps two workers apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(String);

impl WorkerId {
    /// A worker of the given name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// A name that holds this process' id, a random part, and this machine's name where that is known.
    pub fn random() -> Self {
        let random = uuid().simple().to_string();
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname");
        let host = host.as_deref().map_or("localhost", str::trim);
        Self(format!("azura-{}-{}@{host}", std::process::id(), &random[..8]))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for WorkerId {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_any_version_parse_and_print_alike() {
        for text in [
            "504bee88-6980-4c01-bc2d-72e9fff4a9a6",
            "f1e46e69-9e7c-31b1-a4ff-11648f66b69e",
            "00000000-0000-0000-0000-000000000000",
        ] {
            assert_eq!(text.parse::<TaskId>().unwrap().to_string(), text);
        }
        let id = TaskId::random();
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
        assert_eq!(serde_json::to_value(id).unwrap(), id.to_string());
    }

    #[test]
    fn what_is_no_uuid_is_refused_in_words() {
        for text in ["", "42", "../../etc", "504bee88-6980-4c01-bc2d-72e9fff4a9aZ"] {
            let error = text.parse::<TaskId>().unwrap_err();
            assert!(error.to_string().contains("UUID"), "{error}");
        }
    }

    #[test]
    fn random_worker_names_differ() {
        assert_ne!(WorkerId::random(), WorkerId::random());
    }
}
