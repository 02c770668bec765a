//! Fewer points that look like all of them.

/// Indices, rising, of at most `limit` points of series of equal length. Each stretch of the series keeps the
/// least and the greatest value of each series, so that no peak is lost; the first and the last point stay.
/// Everything stays where it is few enough; values that are not finite are not looked at.
///
/// ```
/// # use azura_learner::report::thin;
/// let mut series = vec![0.0; 1000];
/// series[617] = 9.0;
/// let kept = thin(&[&series], 50);
/// assert!(kept.len() <= 50 && kept.contains(&617));
/// ```
pub fn thin(series: &[&[f64]], limit: usize) -> Vec<usize> {
    let len = series.iter().map(|s| s.len()).min().unwrap_or(0);
    if len <= limit {
        return (0..len).collect();
    }
    // Two points are for the ends, two for each series in each stretch.
    let stretches = limit.saturating_sub(2) / (2 * series.len());
    let mut kept = vec![0, len - 1];
    for stretch in 0..stretches {
        let range = stretch * len / stretches..(stretch + 1) * len / stretches;
        for values in series {
            let by_value = |a: &usize, b: &usize| values[*a].total_cmp(&values[*b]);
            let finite = || range.clone().filter(|&i| values[i].is_finite());
            kept.extend(finite().min_by(by_value));
            kept.extend(finite().max_by(by_value));
        }
    }
    kept.sort_unstable();
    kept.dedup();
    kept.truncate(limit);
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn extremes_and_ends_stay(
            (a, b) in (1..400_usize).prop_flat_map(|n| {
                let series = || prop::collection::vec(-1e3..1e3_f64, n);
                (series(), series())
            }),
            limit in 6..100_usize,
        ) {
            let kept = thin(&[&a, &b], limit);
            prop_assert!(kept.len() <= limit && kept.len() >= a.len().min(limit / 3));
            prop_assert!(kept.windows(2).all(|w| w[0] < w[1]));
            prop_assert!(kept[0] == 0 && kept[kept.len() - 1] == a.len() - 1);
            for series in [&a, &b] {
                let of = |f: fn(f64, f64) -> f64, i: &mut dyn Iterator<Item = usize>| i.map(|i| series[i]).reduce(f);
                prop_assert_eq!(of(f64::min, &mut kept.iter().copied()), of(f64::min, &mut (0..a.len())));
                prop_assert_eq!(of(f64::max, &mut kept.iter().copied()), of(f64::max, &mut (0..a.len())));
            }
        }
    }

    #[test]
    fn odd_input() {
        assert!(thin(&[], 10).is_empty());
        assert!(thin(&[&[]], 10).is_empty());
        assert_eq!(thin(&[&[1.0, 2.0]], 2), [0, 1]);
        assert!(thin(&[&[1.0; 9]], 0).is_empty());
        assert_eq!(thin(&[&[1.0; 9]], 1), [0]);
        assert_eq!(thin(&[&[f64::NAN; 9]], 4), [0, 8]);
    }
}
