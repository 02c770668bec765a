//! One line for each epoch in a file.

use super::{Callback, CallbackError, Flow, TrainCx};
use crate::{History, files};
use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::PathBuf,
};

/// Writes a table of the epochs: the column `epoch`, and one for each metric, in alphabetical order. A cell is empty where
/// an epoch has no such metric, or where that is not finite.
///
/// A line is in the file when its epoch's end was told, so that a crash loses none. A training that goes on after an
/// interruption first drops the lines of later epochs; one that begins anew drops all. When an epoch brings a new metric,
/// the file is written anew, whole.
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::{CsvLog, DataLoader, Learner, Linear, Sgd, TensorDataset, loss, seeded};
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("log.csv");
/// let x = Tensor::from_vec(&[2, 1], vec![0.0, 1.0])?;
/// let mut data = DataLoader::new(TensorDataset::new(&x, &x)?, 2);
/// Learner::new(Linear::new(1, 1, &mut seeded(1)), Sgd::new(0.5), loss::mse)
///     .callback(CsvLog::new(&file))
///     .fit(&mut data, None, 3)?;
/// let text = std::fs::read_to_string(&file)?;
/// assert_eq!((text.lines().next(), text.lines().count()), (Some("epoch,loss"), 4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CsvLog(EpochLog);

/// Writes a JSON object for each epoch, each on a line of its own: `{"epoch":1,"loss":0.25,"val_loss":0.5}`. A metric that
/// an epoch has not, or that is not finite, is left out.
///
/// The lines are kept as those of a [`CsvLog`].
#[derive(Debug)]
pub struct JsonLog(EpochLog);

impl CsvLog {
    /// Writes to this file, whose folder exists.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(EpochLog { path: path.into(), file: None, metrics: 0, head: csv_head, line: csv_line })
    }
}

impl JsonLog {
    /// Writes to this file, whose folder exists.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(EpochLog {
            path: path.into(),
            file: None,
            metrics: 0,
            head: |_| Ok(Vec::new()),
            line: json_line,
        })
    }
}

impl Callback for CsvLog {
    fn on_train_begin(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        self.0.begin(cx.history)
    }

    fn on_epoch_end(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        self.0.add(cx.history)
    }
}

impl Callback for JsonLog {
    fn on_train_begin(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        self.0.begin(cx.history)
    }

    fn on_epoch_end(&mut self, cx: &mut TrainCx<'_>) -> Result<Flow, CallbackError> {
        self.0.add(cx.history)
    }
}

type Bytes = Result<Vec<u8>, CallbackError>;

/// Every line is made of the history alone, so that it is the same whether it is appended or written once more.
#[derive(Debug)]
struct EpochLog {
    path: PathBuf,
    file: Option<File>,
    /// How many metrics the head of the file names.
    metrics: usize,
    head: fn(&History) -> Bytes,
    /// The line of an epoch, counted from 0.
    line: fn(&History, usize) -> Bytes,
}

impl EpochLog {
    fn begin(&mut self, history: &History) -> Result<Flow, CallbackError> {
        let mut text = (self.head)(history)?;
        for epoch in 0..history.epochs() {
            text.extend((self.line)(history, epoch)?);
        }
        files::write_atomic(&self.path, &text)?;
        self.file = Some(OpenOptions::new().append(true).open(&self.path)?);
        self.metrics = history.iter().count();
        Ok(Flow::Continue)
    }

    fn add(&mut self, history: &History) -> Result<Flow, CallbackError> {
        match &mut self.file {
            Some(file) if self.metrics == history.iter().count() => {
                file.write_all(&(self.line)(history, history.epochs() - 1)?)?;
                Ok(Flow::Continue)
            }
            _ => self.begin(history),
        }
    }
}

fn csv_head(history: &History) -> Bytes {
    csv_row(["epoch".to_owned()].into_iter().chain(history.iter().map(|(name, _)| name.to_owned())))
}

fn csv_line(history: &History, epoch: usize) -> Bytes {
    let cells = history.iter().map(|(_, series)| series[epoch].map_or_else(String::new, |x| x.to_string()));
    csv_row([(epoch + 1).to_string()].into_iter().chain(cells))
}

fn csv_row(cells: impl Iterator<Item = String>) -> Bytes {
    let mut row = csv::Writer::from_writer(Vec::new());
    row.write_record(cells.collect::<Vec<_>>())?;
    Ok(row.into_inner()?)
}

fn json_line(history: &History, epoch: usize) -> Bytes {
    let mut line = serde_json::Map::from_iter([("epoch".to_owned(), (epoch + 1).into())]);
    line.extend(history.iter().filter_map(|(name, series)| Some((name.to_owned(), series[epoch]?.into()))));
    let mut bytes = serde_json::to_vec(&line)?;
    bytes.push(b'\n');
    Ok(bytes)
}
