//! How good a classification is.

use serde::Serialize;
use serde_json::{Map, Value};

/// How often which class was taken for which: `[true class][predicted class]`.
///
/// ```
/// # use azura_learner::metrics::Confusion;
/// let found = Confusion::new(2, &[0, 0, 0, 1], &[0, 0, 1, 1]);
/// assert_eq!(found.counts(), [[2, 1], [0, 1]]);
/// assert_eq!(found.accuracy(), Some(0.75));
/// assert_eq!(found.figures(1).precision, 0.5);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion(Vec<Vec<usize>>);

/// How well one class is found. Where there is nothing to divide by, 0 as in scikit-learn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ClassFigures {
    /// Of those taken for this class, the share that is.
    pub precision: f64,
    /// Of those of this class, the share that was found.
    pub recall: f64,
    /// The harmonic mean of both.
    #[serde(rename = "f1-score")]
    pub f1: f64,
    /// How many there are of this class.
    pub support: usize,
}

impl Confusion {
    /// Counts pairs of true and predicted classes below `classes`.
    ///
    /// # Panics
    /// If there are not as many of both, or one is no class.
    pub fn new(classes: usize, truth: &[u32], predicted: &[u32]) -> Self {
        assert_eq!(truth.len(), predicted.len(), "as many predictions as true classes");
        let mut counts = vec![vec![0; classes]; classes];
        for (&truth, &predicted) in truth.iter().zip(predicted) {
            counts[truth as usize][predicted as usize] += 1;
        }
        Self(counts)
    }

    /// The counts, a row for each true class.
    pub fn counts(&self) -> &[Vec<usize>] {
        &self.0
    }

    /// The share that was recognised; None of nothing.
    pub fn accuracy(&self) -> Option<f64> {
        let right: usize = (0..self.0.len()).map(|i| self.0[i][i]).sum();
        let all: usize = self.0.iter().flatten().sum();
        (all > 0).then(|| right as f64 / all as f64)
    }

    /// The figures of a class.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn figures(&self, class: usize) -> ClassFigures {
        let share = |part: usize, whole: usize| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let (right, support) = (self.0[class][class], self.0[class].iter().sum());
        let taken = self.0.iter().map(|row| row[class]).sum();
        ClassFigures {
            precision: share(right, taken),
            recall: share(right, support),
            f1: share(2 * right, taken + support),
            support,
        }
    }

    /// The figures of all classes by name: `{class: {precision, recall, f1-score, support}}`.
    ///
    /// # Errors
    /// Never: numbers serialise.
    pub fn report(&self, names: &[String]) -> Result<Map<String, Value>, serde_json::Error> {
        let class = |(i, name): (usize, &String)| Ok((name.clone(), serde_json::to_value(self.figures(i))?));
        names.iter().enumerate().map(class).collect()
    }

    /// The class that is most often taken for another one, that other one, and how often; None if none is. Of equals the first.
    pub fn most_confused(&self) -> Option<(usize, usize, usize)> {
        let row = |(i, row): (usize, &Vec<usize>)| {
            row.iter().enumerate().map(|(j, &n)| (i, j, n)).collect::<Vec<_>>()
        };
        let wrong = self.0.iter().enumerate().flat_map(row).filter(|&(i, j, n)| i != j && n > 0);
        wrong.reduce(|most, next| if next.2 > most.2 { next } else { most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Class 0: 3 of 4 found, 1 taken for 1; class 1: 2 of 3 found, 1 taken for 2; class 2 does not occur.
        let found = Confusion::new(3, &[0, 0, 0, 0, 1, 1, 1], &[0, 0, 0, 1, 1, 1, 2]);
        assert_eq!(found.counts(), [[3, 1, 0], [0, 2, 1], [0, 0, 0]]);
        assert_eq!(found.accuracy(), Some(5.0 / 7.0));
        // Precision 3/3, recall 3/4, F1 2 · 1 · 0.75 / 1.75 = 6/7.
        let first = found.figures(0);
        assert_eq!((first.precision, first.recall, first.f1, first.support), (1.0, 0.75, 6.0 / 7.0, 4));
        // Precision 2/3, recall 2/3.
        let second = found.figures(1);
        assert_eq!(
            (second.precision, second.recall, second.f1, second.support),
            (2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0, 3)
        );
        let third = found.figures(2);
        assert_eq!((third.precision, third.recall, third.f1, third.support), (0.0, 0.0, 0.0, 0));
        assert_eq!(found.most_confused(), Some((0, 1, 1)));
        assert_eq!(Confusion::new(2, &[0, 1], &[0, 1]).most_confused(), None);
        assert_eq!(Confusion::new(2, &[], &[]).accuracy(), None);
        let report = found.report(&["a".into(), "b".into(), "c".into()]).unwrap();
        assert_eq!(report["a"]["f1-score"], 6.0 / 7.0);
        assert_eq!(report["b"]["support"], 3);
    }
}
