//! Where a moment stands in the year, the week and the day, as numbers that a model can use.

use std::f64::consts::TAU;

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

/// A cycle of the calendar. As a feature it is the pair sin, cos of [`Cycle::angle`], in which the last day
/// of a year lies next to the first of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cycle {
    /// Angle 2π (d − 1) / D; d: day of the year from 1; D: days of that year, 365 or 366.
    DayOfYear,
    /// Angle 2π w / 7; w: 0 for Monday to 6 for Sunday.
    DayOfWeek,
    /// Angle 2π s / 86 400; s: whole seconds since midnight.
    HourOfDay,
}

impl Cycle {
    /// The cycles that rows of this usual distance move through: the year's for rows closer than 300 days,
    /// the week's for rows of a day or closer, the day's for rows closer than a day.
    pub fn for_step(seconds: i64) -> Vec<Self> {
        const DAY: i64 = 86_400;
        let cycles = [
            (Self::DayOfYear, seconds < 300 * DAY),
            (Self::DayOfWeek, seconds <= DAY),
            (Self::HourOfDay, seconds < DAY),
        ];
        cycles.into_iter().filter_map(|(cycle, wanted)| wanted.then_some(cycle)).collect()
    }

    /// Names of the two features.
    pub fn names(self) -> [&'static str; 2] {
        match self {
            Self::DayOfYear => ["day_of_year_sin", "day_of_year_cos"],
            Self::DayOfWeek => ["day_of_week_sin", "day_of_week_cos"],
            Self::HourOfDay => ["hour_of_day_sin", "hour_of_day_cos"],
        }
    }

    /// The angle in radians, from 0 to below 2π.
    pub fn angle(self, at: DateTime) -> f64 {
        TAU * match self {
            Self::DayOfYear => f64::from(at.day_of_year() - 1) / f64::from(at.days_in_year()),
            Self::DayOfWeek => f64::from(at.weekday().to_monday_zero_offset()) / 7.0,
            Self::HourOfDay => {
                let seconds =
                    i32::from(at.hour()) * 3600 + i32::from(at.minute()) * 60 + i32::from(at.second());
                f64::from(seconds) / 86_400.0
            }
        }
    }

    /// The two features: sine and cosine of the angle.
    pub fn features(self, at: DateTime) -> [f32; 2] {
        let (sin, cos) = self.angle(at).sin_cos();
        [sin as f32, cos as f32]
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::{FRAC_PI_2, PI};

    use jiff::civil::datetime;

    use super::*;

    #[test]
    fn cycles_by_step() {
        use Cycle::{DayOfWeek, DayOfYear, HourOfDay};
        assert_eq!(Cycle::for_step(3600), [DayOfYear, DayOfWeek, HourOfDay]);
        assert_eq!(Cycle::for_step(86_400), [DayOfYear, DayOfWeek]);
        assert_eq!(Cycle::for_step(7 * 86_400), [DayOfYear]);
        assert_eq!(Cycle::for_step(365 * 86_400), []);
    }

    #[test]
    fn angles_by_hand() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        close(Cycle::DayOfYear.angle(datetime(2015, 1, 1, 0, 0, 0, 0)), 0.0);
        // In a leap year 2 July is day 184: 183 of 366 days have passed.
        close(Cycle::DayOfYear.angle(datetime(2012, 7, 2, 0, 0, 0, 0)), PI);
        close(Cycle::DayOfYear.angle(datetime(2015, 12, 31, 0, 0, 0, 0)), TAU * 364.0 / 365.0);
        // 22 November 2015 was a Sunday.
        close(Cycle::DayOfWeek.angle(datetime(2015, 11, 22, 0, 0, 0, 0)), TAU * 6.0 / 7.0);
        close(Cycle::HourOfDay.angle(datetime(2015, 11, 22, 6, 0, 0, 0)), FRAC_PI_2);
        close(Cycle::HourOfDay.features(datetime(2015, 11, 22, 6, 0, 0, 0))[0].into(), 1.0);
    }
}
