//! Why there are no results.

use crate::{
    Error,
    config::{Invalid, Problem},
    data::DataError,
    files,
};

/// Why a run gave no results.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// The config cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data or a value in them cannot be used.
    #[error("{0}")]
    Value(String),
    /// A file does not exist or cannot be read.
    #[error("{0}")]
    FileNotFound(String),
    /// What a model is asked cannot be used.
    #[error("the request is invalid: {}", .0.first(5, "; "))]
    Request(Invalid),
    /// The pipeline does not predict.
    #[error("the pipeline `{0}` makes no predictions")]
    NoPrediction(&'static str),
    /// The run was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// Anything else that went wrong.
    #[error("{0}")]
    Execution(String),
}

impl PipelineError {
    /// The code by which clients know the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config(error) => error.code(),
            Self::Value(_) | Self::NoPrediction(_) | Self::Request(_) => "PIPELINE_VALUE_ERROR",
            Self::FileNotFound(_) => "PIPELINE_FILE_NOT_FOUND",
            Self::Cancelled => "CANCELLED",
            Self::Execution(_) => "PIPELINE_EXECUTION_ERROR",
        }
    }
}

impl From<Error> for PipelineError {
    fn from(error: Error) -> Self {
        if let Error::Cancelled = error { Self::Cancelled } else { Self::Execution(error.to_string()) }
    }
}

impl From<azura_core::Error> for PipelineError {
    fn from(error: azura_core::Error) -> Self {
        Self::Execution(error.to_string())
    }
}

/// What a run has to say cannot be written down.
impl From<serde_json::Error> for PipelineError {
    fn from(error: serde_json::Error) -> Self {
        Self::Execution(error.to_string())
    }
}

/// For pipelines that read data in their run, of which nothing could be known beforehand.
impl From<DataError> for PipelineError {
    fn from(error: DataError) -> Self {
        let message = error.to_string();
        if let DataError::Io { .. } = error { Self::FileNotFound(message) } else { Self::Value(message) }
    }
}

impl From<files::FileError> for PipelineError {
    fn from(error: files::FileError) -> Self {
        Self::Execution(error.to_string())
    }
}

/// Why a config cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It asks for a pipeline that there is not.
    #[error("{0}")]
    UnknownPipeline(String),
    /// It breaks its schema, or does not fit its data.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl ConfigError {
    /// The code by which clients know the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownPipeline(_) => "PIPELINE_NOT_FOUND",
            Self::Invalid(_) => "CONFIG_INVALID",
        }
    }

    /// The problems, each with its place.
    pub fn problems(&self) -> Vec<Problem> {
        match self {
            Self::UnknownPipeline(message) => vec![Problem::new("/pipeline_name", message)],
            Self::Invalid(invalid) => invalid.0.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Table;
    use std::path::Path;

    #[test]
    fn what_a_run_finds_in_its_data_has_a_code_of_its_own() {
        let read = |path: &Path| -> Result<Table, PipelineError> { Ok(Table::open(path)?) };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("data.csv");
        let error = read(&file).unwrap_err();
        assert_eq!(error.code(), "PIPELINE_FILE_NOT_FOUND");
        assert!(error.to_string().contains("data.csv"), "{error}");
        std::fs::write(&file, "a,b\n1\n").unwrap();
        let error = read(&file).unwrap_err();
        assert_eq!(error.code(), "PIPELINE_VALUE_ERROR");
        assert_eq!(error.to_string(), "line 2: 1 cells, but the header has 2");
    }
}
