//! From one row of a series to the next.

use jiff::{
    SignedDuration, Span,
    civil::{Date, DateTime, Weekday},
};
use serde::{Deserialize, Serialize};

use super::time::Times;

const DAY: f64 = 86_400.0;

/// How far a row of a series usually is from the next one.
///
/// ```
/// # use azura_learner::data::Step;
/// use jiff::civil::date;
///
/// // From a Friday to the Monday after it.
/// assert_eq!(Step::WorkingDay.next(date(2024, 3, 1).into()), Some(date(2024, 3, 4).into()));
/// // Ends of months.
/// let step = Step::Months { n: 1, day: 31 };
/// assert_eq!(step.next(date(2024, 1, 31).into()), Some(date(2024, 2, 29).into()));
/// assert_eq!(step.next(date(2024, 2, 29).into()), Some(date(2024, 3, 31).into()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Step {
    /// So many seconds.
    Seconds(f64),
    /// A day, weekends left out.
    WorkingDay,
    /// So many months, 12 for a year: on that day of the month, or on its last one where it is shorter.
    Months {
        /// How many.
        n: i32,
        /// The day, 1 to 31.
        day: i8,
    },
}

impl Step {
    /// The time of the next row; none beyond the year 9999.
    pub fn next(self, at: DateTime) -> Option<DateTime> {
        match self {
            Self::Seconds(n) => at.checked_add(SignedDuration::try_from_secs_f64(n).ok()?).ok(),
            Self::WorkingDay => {
                let mut at = at;
                loop {
                    at = at.checked_add(Span::new().days(1)).ok()?;
                    if !is_weekend(at) {
                        return Some(at);
                    }
                }
            }
            Self::Months { n, day } => {
                let first = at.date().first_of_month().checked_add(Span::new().try_months(n).ok()?).ok()?;
                Some(on_day(first, day)?.to_datetime(at.time()))
            }
        }
    }

    /// Rows in the cycle that such series usually have: 24 hours, 7 days, 5 working days, 52 weeks, and the months or
    /// quarters of a year. None for others.
    pub fn season(self) -> Option<usize> {
        match self {
            Self::Seconds(n) => {
                let usual = [(3600.0, 24), (DAY, 7), (7.0 * DAY, 52)];
                usual.into_iter().find(|(seconds, _)| (n - seconds).abs() < 1e-6).map(|(_, rows)| rows)
            }
            Self::WorkingDay => Some(5),
            Self::Months { n, .. } => (n < 12 && 12 % n == 0).then_some((12 / n) as usize),
        }
    }
}

impl Times {
    /// The usual step from row to row: months where every row is on the same day of its month, or on the last day of a shorter
    /// one; working days where rows are a day apart and none is on a weekend; else the median distance. None
    /// for a single row.
    pub fn step(&self) -> Option<Step> {
        let distance = |pair: &[DateTime]| pair[1].duration_since(pair[0]).as_secs_f64();
        let seconds = median(self.at.windows(2).map(distance).collect(), f64::total_cmp)?;
        if self.on_working_days() {
            return Some(Step::WorkingDay);
        }
        Some(self.months().filter(|_| seconds >= 28.0 * DAY).unwrap_or(Step::Seconds(seconds)))
    }

    /// Whether rows are a day apart, and none is on a weekend though one has passed.
    pub(crate) fn on_working_days(&self) -> bool {
        const WEEK: i64 = 5;
        let [first, .., last] = self.at[..] else { return false };
        let days = last.duration_since(first).as_hours() / 24;
        self.step_seconds() == Some(86_400)
            && i64::from(first.weekday().to_monday_zero_offset()) + days >= WEEK
            && !self.at.iter().any(|&at| is_weekend(at))
    }

    fn months(&self) -> Option<Step> {
        let day = self.at.iter().map(|at| at.day()).max()?;
        let time = self.at.first()?.time();
        let fits = |at: &DateTime| at.time() == time && on_day(at.date(), day) == Some(at.date());
        let month = |at: &DateTime| i32::from(at.year()) * 12 + i32::from(at.month());
        let n = median(self.at.windows(2).map(|pair| month(&pair[1]) - month(&pair[0])).collect(), i32::cmp)?;
        (n > 0 && self.at.iter().all(fits)).then_some(Step::Months { n, day })
    }
}

/// That day of a date's month, or its last one.
fn on_day(date: Date, day: i8) -> Option<Date> {
    Date::new(date.year(), date.month(), day.min(date.days_in_month())).ok()
}

fn is_weekend(at: DateTime) -> bool {
    matches!(at.weekday(), Weekday::Saturday | Weekday::Sunday)
}

fn median<T: Copy>(mut values: Vec<T>, order: fn(&T, &T) -> std::cmp::Ordering) -> Option<T> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, order).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Table;

    fn times(cells: &[&str]) -> Times {
        let csv = format!("date,x\n{},1\n", cells.join(",1\n"));
        Times::of(&Table::parse(csv.as_bytes()).unwrap(), Some("date")).unwrap()
    }

    /// The step of a series, and the times that follow its last row.
    fn follow(cells: &[&str], n: usize) -> (Step, Vec<String>) {
        let mut times = times(cells);
        let step = times.step().unwrap();
        for _ in 0..n {
            times.at.push(step.next(*times.at.last().unwrap()).unwrap());
        }
        (step, times.iso().split_off(cells.len()))
    }

    #[test]
    fn seconds_days_and_weeks() {
        let (step, next) = follow(&["2024-02-28T22:00", "2024-02-28T23:00"], 2);
        assert_eq!((step, step.season()), (Step::Seconds(3600.0), Some(24)));
        assert_eq!(next, ["2024-02-29T00:00:00", "2024-02-29T01:00:00"]);
        // A weekend lies within; a day is missing; 2024 is a leap year.
        let (step, next) = follow(&["2024-02-23", "2024-02-24", "2024-02-25", "2024-02-27", "2024-02-28"], 2);
        assert_eq!((step, step.season()), (Step::Seconds(DAY), Some(7)));
        assert_eq!(next, ["2024-02-29", "2024-03-01"]);
        let (step, next) = follow(&["2023-12-16", "2023-12-23", "2023-12-30"], 1);
        assert_eq!(
            (step, step.season(), next),
            (Step::Seconds(7.0 * DAY), Some(52), vec!["2024-01-06".into()])
        );
        let (step, next) = follow(&["2024-01-01T00:00:00.25", "2024-01-01T00:00:00.5"], 1);
        assert_eq!(
            (step, step.season(), next),
            (Step::Seconds(0.25), None, vec!["2024-01-01T00:00:00.75".into()])
        );
    }

    #[test]
    fn working_days_skip_weekends_only() {
        let days = ["2024-02-22", "2024-02-23", "2024-02-26", "2024-02-27", "2024-02-28", "2024-02-29"];
        let (step, next) = follow(&days, 3);
        assert_eq!((step, step.season()), (Step::WorkingDay, Some(5)));
        // 1 March 2024 was a Friday.
        assert_eq!(next, ["2024-03-01", "2024-03-04", "2024-03-05"]);
        // Three days within a week do not show what becomes of a weekend.
        assert_eq!(times(&["2024-02-27", "2024-02-28", "2024-02-29"]).step(), Some(Step::Seconds(DAY)));
    }

    #[test]
    fn months_and_years() {
        let (step, next) = follow(&["2023-10-31", "2023-11-30", "2023-12-31"], 4);
        assert_eq!((step, step.season()), (Step::Months { n: 1, day: 31 }, Some(12)));
        assert_eq!(next, ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"]);
        let (step, next) = follow(&["2022-11-30", "2022-12-30", "2023-01-30"], 2);
        assert_eq!(
            (step, next),
            (Step::Months { n: 1, day: 30 }, vec!["2023-02-28".into(), "2023-03-30".into()])
        );
        let (step, next) = follow(&["2023-03", "2023-06", "2023-09"], 2);
        assert_eq!((step, step.season()), (Step::Months { n: 3, day: 1 }, Some(4)));
        assert_eq!(next, ["2023-12-01", "2024-03-01"]);
        let (step, next) = follow(&["2006", "2007", "2008"], 2);
        assert_eq!((step, step.season()), (Step::Months { n: 12, day: 1 }, None));
        assert_eq!(next, ["2009-01-01", "2010-01-01"]);
        // The 29th of February comes once in four years.
        let (_, next) = follow(&["2018-02-28", "2019-02-28", "2020-02-29"], 4);
        assert_eq!(next, ["2021-02-28", "2022-02-28", "2023-02-28", "2024-02-29"]);
        // Every 30 days is no month.
        assert_eq!(
            times(&["2024-01-01", "2024-01-31", "2024-03-01"]).step(),
            Some(Step::Seconds(30.0 * DAY))
        );
    }

    #[test]
    fn a_single_row_has_no_step_and_time_ends() {
        assert_eq!(times(&["2024-01-01"]).step(), None);
        let last = jiff::civil::date(9999, 12, 31).into();
        for step in [Step::Seconds(DAY), Step::WorkingDay, Step::Months { n: 1, day: 1 }] {
            assert_eq!(step.next(last), None);
        }
        assert_eq!(Step::Seconds(f64::NAN).next(last), None);
    }
}
