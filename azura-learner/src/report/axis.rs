//! Where an axis has its ticks, and what they say.

use jiff::{
    SignedDuration, ToSpan,
    civil::{Date, DateTime, date},
};

/// A tick: its place on the axis, its label, and under it what goes without saying until it changes (a year,
/// a day).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) label: String,
    pub(super) below: String,
}

/// Steps for which people have a feeling: 1, 2 or 5 times a power of ten, so that about `wanted` ticks fit.
pub(super) fn nice_step(span: f64, wanted: usize) -> f64 {
    let rough = span / wanted.max(1) as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|f| f * power >= rough * 0.999).unwrap_or(10.0);
    factor * power
}

/// Ticks within a range of numbers, at multiples of the step.
pub(super) fn number_ticks(min: f64, max: f64, step: f64) -> Vec<Tick> {
    let (first, last) = ((min / step - 1e-9).ceil() as i64, (max / step + 1e-9).floor() as i64);
    let largest = min.abs().max(max.abs());
    let tick = |i| {
        let at = i as f64 * step;
        Tick { at, label: number_label(at, step, largest), below: String::new() }
    };
    (first..=last).map(tick).collect()
}

/// A tick's number: as many decimals as the step has, thousands and millions shortened.
fn number_label(x: f64, step: f64, largest: f64) -> String {
    let (unit, suffix) = match largest {
        m if !(1e-4..1e4).contains(&m) && x.abs() < step / 2.0 => return "0".into(),
        m if !(1e-4..1e15).contains(&m) => return format!("{x:.1e}").replace('-', "−"),
        m if m >= 1e10 => (1e9, "B"),
        m if m >= 1e7 => (1e6, "M"),
        m if m >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let decimals = (-(step / unit).log10() - 1e-9).ceil().clamp(0.0, 12.0) as usize;
    let text = format!("{:.decimals$}{suffix}", x.abs() / unit);
    if x < 0.0 { format!("−{text}") } else { text }
}

/// Seconds from an arbitrary but fixed Monday.
pub(super) fn seconds(at: DateTime) -> f64 {
    at.duration_since(MONDAY.at(0, 0, 0, 0)).as_secs_f64()
}

const MONDAY: Date = date(1970, 1, 5);
const DAY: i64 = 86_400;

#[derive(Clone, Copy)]
enum Step {
    Seconds(i64),
    Days(i64),
    Months(i64),
}

/// From fine to coarse.
const STEPS: [Step; 28] = {
    use Step::{Days, Months, Seconds};
    [
        Seconds(1),
        Seconds(5),
        Seconds(15),
        Seconds(60),
        Seconds(300),
        Seconds(900),
        Seconds(1800),
        Seconds(3600),
        Seconds(3 * 3600),
        Seconds(6 * 3600),
        Seconds(12 * 3600),
        Days(1),
        Days(2),
        Days(7),
        Days(14),
        Months(1),
        Months(2),
        Months(3),
        Months(6),
        Months(12),
        Months(24),
        Months(60),
        Months(120),
        Months(240),
        Months(600),
        Months(1200),
        Months(2400),
        Months(6000),
    ]
};

impl Step {
    /// About how long it is.
    fn length(self) -> f64 {
        match self {
            Self::Seconds(n) => n as f64,
            Self::Days(n) => (n * DAY) as f64,
            Self::Months(n) => n as f64 * 30.4 * DAY as f64,
        }
    }

    /// The `i`th multiple at or before `start`, counted from it. None outside the calendar.
    fn tick(self, start: DateTime, i: i64) -> Option<DateTime> {
        match self {
            Self::Seconds(n) => {
                let midnight = start.date().at(0, 0, 0, 0);
                let since = start.duration_since(midnight).as_secs() / n * n;
                midnight.checked_add(SignedDuration::from_secs(since + i * n)).ok()
            }
            Self::Days(n) => {
                let days = start.date().duration_since(MONDAY).as_secs() / DAY;
                let date = MONDAY.checked_add((days.div_euclid(n) * n + i * n).days()).ok()?;
                Some(date.at(0, 0, 0, 0))
            }
            Self::Months(n) => {
                let months = i64::from(start.year()) * 12 + i64::from(start.month()) - 1;
                let month = months.div_euclid(n) * n + i * n;
                let year = i16::try_from(month.div_euclid(12)).ok()?;
                Some(Date::new(year, month.rem_euclid(12) as i8 + 1, 1).ok()?.at(0, 0, 0, 0))
            }
        }
    }

    /// The label, and what is under it where that is new.
    fn label(self, at: DateTime) -> (String, String) {
        match self {
            Self::Seconds(n) => {
                let time = if n < 60 { "%H:%M:%S" } else { "%H:%M" };
                (at.strftime(time).to_string(), at.strftime("%-d %b %Y").to_string())
            }
            Self::Days(_) => (at.strftime("%-d %b").to_string(), at.year().to_string()),
            Self::Months(n) if n < 12 => (at.strftime("%b").to_string(), at.year().to_string()),
            Self::Months(_) => (at.year().to_string(), String::new()),
        }
    }
}

/// Ticks between two times, about `wanted` of them.
pub(super) fn time_ticks(start: DateTime, end: DateTime, wanted: usize) -> Vec<Tick> {
    let span = seconds(end) - seconds(start);
    let fits = |step: &Step| span / step.length() <= wanted as f64;
    let step = STEPS.into_iter().find(fits).unwrap_or(Step::Months(12_000));
    let times = (0..).map_while(|i| step.tick(start, i)).take_while(|&t| t <= end).filter(|&t| t >= start);
    let mut last = String::new();
    let tick = |at: DateTime| {
        let (label, below) = step.label(at);
        let new = below != last;
        last.clone_from(&below);
        Tick { at: seconds(at), label, below: if new { below } else { String::new() } }
    };
    times.map(tick).collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::datetime;

    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|t| t.label.as_str()).collect()
    }

    #[test]
    fn nice_numbers() {
        assert_eq!(vec![nice_step(10.0, 5), nice_step(0.7, 5), nice_step(1234.0, 5)], [2.0, 0.2, 500.0]);
        let of = |min, max, step| number_ticks(min, max, step);
        assert_eq!(labels(&of(-1.0, 1.0, 0.5)), ["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(labels(&of(0.0, 60_000.0, 20_000.0)), ["0", "20k", "40k", "60k"]);
        assert_eq!(labels(&of(0.0, 3e7, 1e7)), ["0", "10M", "20M", "30M"]);
        assert_eq!(labels(&of(0.0, 2e-5, 1e-5)), ["0", "1.0e−5", "2.0e−5"]);
    }

    #[test]
    fn nice_times() {
        let ticks = |a, b| time_ticks(a, b, 9);
        let year = ticks(datetime(2014, 11, 10, 0, 0, 0, 0), datetime(2015, 5, 2, 0, 0, 0, 0));
        assert_eq!(labels(&year), ["Dec", "Jan", "Feb", "Mar", "Apr", "May"]);
        assert_eq!(
            year.iter().map(|t| t.below.as_str()).collect::<Vec<_>>(),
            ["2014", "2015", "", "", "", ""]
        );
        let long = ticks(datetime(1701, 1, 1, 0, 0, 0, 0), datetime(2008, 1, 1, 0, 0, 0, 0));
        assert_eq!(labels(&long), ["1750", "1800", "1850", "1900", "1950", "2000"]);
        let day = ticks(datetime(2015, 5, 2, 5, 30, 0, 0), datetime(2015, 5, 3, 1, 0, 0, 0));
        assert_eq!(labels(&day), ["06:00", "09:00", "12:00", "15:00", "18:00", "21:00", "00:00"]);
        assert_eq!((day[0].below.as_str(), day[6].below.as_str()), ("2 May 2015", "3 May 2015"));
        let week = ticks(datetime(2015, 5, 2, 0, 0, 0, 0), datetime(2015, 5, 8, 0, 0, 0, 0));
        assert_eq!(labels(&week)[..2], ["2 May", "3 May"]);
        let all = ticks(DateTime::MIN, DateTime::MAX);
        assert!(all.len() < 50);
        assert_eq!(
            labels(&ticks(datetime(2015, 1, 1, 0, 0, 0, 0), datetime(2015, 1, 1, 0, 0, 0, 0))),
            ["00:00:00"]
        );
    }
}
