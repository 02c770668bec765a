use jiff::civil::date;
use proptest::prelude::*;

use super::*;

fn chart(values: &[Option<f64>]) -> String {
    Chart::over_numbers("title", (0..values.len()).map(|i| i as f64))
        .line("name", Colour::Indigo, values.iter().copied())
        .svg()
}

/// What any picture must be: one root, balanced, nothing that is no number.
fn sound(svg: &str) {
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}

#[test]
fn odd_series() {
    assert!(chart(&[]).contains("no values"));
    assert!(chart(&[None, Some(f64::NAN)]).contains("no values"));
    let one = chart(&[Some(3.0)]);
    assert!(one.contains("<circle") && !one.contains("<path"));
    for values in [
        vec![Some(0.0); 5],
        vec![Some(-7.0); 5],
        vec![Some(1e15), Some(1e15 + 1.0)],
        vec![Some(1e299), Some(-1e299), Some(f64::MAX)],
        vec![Some(1e-300), Some(2e-300)],
        vec![None, Some(1.0), None, Some(2.0)],
    ] {
        let svg = chart(&values);
        sound(&svg);
        assert!(!svg.contains("no values"));
    }
    let single =
        Chart::over_times("t", [date(2015, 1, 1).at(0, 0, 0, 0)]).line("l", Colour::Teal, [Some(1.0)]);
    sound(&single.svg());
    sound(&Chart::over_times("t", []).from_zero().svg());
}

#[test]
fn foreign_text_stays_text() {
    let svg = Chart::over_numbers("<script>&\"\u{0}", [1.0, 2.0])
        .y_label("</text>")
        .line("a<b", Colour::Slate, [Some(1.0), Some(2.0)])
        .mark(1.0, 1.0, "x > y")
        .svg();
    sound(&svg);
    assert!(!svg.contains("<script") && !svg.contains('\u{0}'));
    assert!(svg.contains("&lt;script&gt;&amp;&quot;") && svg.contains("a&lt;b") && svg.contains("x &gt; y"));
}

#[test]
fn long_text_stays_on_the_picture() {
    let long = "é".repeat(5000);
    let svg = Chart::over_numbers(&long, [1.0])
        .subtitle(&long)
        .line(&long, Colour::Slate, [Some(1.0)])
        .mark(1.0, 1.0, &long)
        .svg();
    sound(&svg);
    assert!(svg.replace(&format!("<title>{long}</title>"), "").len() < 4000);
}

#[test]
fn a_long_series_is_thinned_but_keeps_its_peak() {
    let mut values = vec![Some(0.0); 100_000];
    values[43_210] = Some(10.0);
    let svg = chart(&values);
    assert!(svg.len() < 60_000, "{}", svg.len());
    // The peak lies on the uppermost gridline.
    assert!(svg.contains(&format!(" {TOP:.1}L")));
}

proptest! {
    #[test]
    fn any_series_gives_a_sound_picture(values in prop::collection::vec(prop::option::of(any::<f64>()), 0..40)) {
        sound(&chart(&values));
    }
}

#[test]
fn histograms_count_what_lies_in_each_range() {
    // Ranges of 2 from 0: [0, 2) holds 0, 0.5 and 1.9; [2, 4) holds 2; [8, 10) holds 9.
    let (centres, counts) = bin(&[0.0, 0.5, 1.9, 2.0, 9.0, f64::NAN], 5);
    assert_eq!((centres, counts), (vec![1.0, 3.0, 5.0, 7.0, 9.0], vec![3, 1, 0, 0, 1]));
    for values in [&[][..], &[3.0], &[0.0; 9], &[-1e299, 1e299], &[1e15, 1e15 + 1.0], &[f64::NAN]] {
        sound(&Chart::histogram("t", values, 20, Colour::Indigo).svg());
        assert_eq!(bin(values, 20).1.iter().sum::<usize>(), values.iter().filter(|v| v.is_finite()).count());
    }
}

#[test]
fn bands_points_and_diagonals() {
    let svg = Chart::over_numbers("t", [1.0, 2.0, 3.0])
        .band("80 %", Colour::Indigo, [Some(0.0), None, Some(1.0)], [Some(2.0), Some(2.0), Some(4.0)])
        .points("days", Colour::Teal, [Some(1.0), Some(2.0), None])
        .diagonal("the same")
        .svg();
    sound(&svg);
    // Two places have both borders; two of three days have a value; the diagonal runs from (1, 1) to (3, 3).
    assert_eq!(svg.matches("r=\"2.5\"").count(), 2);
    assert!(svg.contains("80 %") && svg.contains("the same") && svg.contains("fill-opacity=\"0.16\""));
}
