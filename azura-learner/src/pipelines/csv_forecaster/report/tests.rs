use serde_json::json;

use super::*;
use crate::{Metrics, RunCx, Sources, config::parse, pipelines::csv_forecaster::prepare::prepare};

/// A report on a model that forecasts `share` of the last step of the truth.
fn reported(share: f64, losses: &[f64]) -> Report {
    let config: Config = parse(&json!({"data_sourcing": {"dataset": "seattle-weather"}})).unwrap();
    let datasets = Datasets::bundled();
    let prepared = prepare(&config, &datasets, false).unwrap();
    let scaler = prepared.inputs.columns[prepared.inputs.target].scaler;
    let output = |i: usize| {
        let row = prepared.test.target_row(i);
        scaler.transform(prepared.truth[row - 1] + share * (prepared.truth[row] - prepared.truth[row - 1]))
    };
    let output: Vec<f32> = (0..prepared.test.len()).map(output).collect();
    let epochs = losses.iter().map(|&loss| Metrics::from([("loss".into(), loss), ("val_loss".into(), loss)]));
    let results = prepared.results(epochs.collect(), &output).unwrap();
    report(&config, &serde_json::to_value(&config).unwrap(), &datasets, &prepared, &results).unwrap()
}

#[test]
fn words_say_what_the_numbers_show() {
    // Half of each step foreseen leaves half of persistence's error.
    let better = reported(0.5, &[0.9, 0.3]).markdown;
    assert!(
        better.contains("**Better than persistence: the typical error (RMSE) is 50.0 % lower.**"),
        "{better}"
    );
    assert!(
        better.contains("lowest in epoch 2, at 0.3000; the model has the weights of that epoch."),
        "{better}"
    );
    assert!(better.contains("| −50.0 % |"));
    let r2: Vec<&str> =
        better.lines().find(|line| line.starts_with("| R² |")).unwrap().split(" | ").collect();
    let figure = |i: usize| r2[i].parse::<f64>().unwrap();
    // Half of the error is a quarter of the squared error: 1 - R² is a quarter too.
    assert!((4.0 * (1.0 - figure(1)) - (1.0 - figure(2))).abs() < 1e-3, "{r2:?}");
    assert_eq!(r2[3], "– |");
    let worse = reported(-0.2, &[0.9, 0.2, 0.3]).markdown;
    assert!(
        worse.contains("**Worse than persistence: the typical error (RMSE) is 20.0 % higher.**"),
        "{worse}"
    );
    assert!(worse.contains("lowest in epoch 2, at 0.2000, and ended 50 % above that"), "{worse}");
    let far = reported(-4.0, &[]).markdown;
    assert!(
        far.contains("**Worse than persistence: the typical error (RMSE) is 5.000 times as large.**"),
        "{far}"
    );
    let same = reported(0.002, &[]).markdown;
    assert!(same.contains("**No better than persistence"), "{same}");
    assert!(same.contains("trained for 0 epochs. There is no validation loss"), "{same}");
}

#[test]
fn a_verdict_is_of_both_errors_and_of_figures_that_say_something() {
    let of = |model: [f64; 2], base: [f64; 2]| {
        let results = Results::new(crate::History::default())
            .metric("rmse", Some(model[0]))
            .metric("mae", Some(model[1]))
            .baseline("persistence", "rmse", Some(base[0]))
            .baseline("persistence", "mae", Some(base[1]));
        (verdict(&results), figures(&results))
    };
    let (said, _) = of([9.0, 6.0], [10.0, 5.0]);
    assert!(
        said.starts_with("**Neither better nor worse")
            && said.contains("is 10.0 % lower, but the mean error (MAE) 20.0 % higher."),
        "{said}"
    );
    let (said, _) = of([15.0, 4.0], [10.0, 5.0]);
    assert!(said.contains("is 50.0 % higher, but the mean error (MAE) 20.0 % lower."), "{said}");
    let (said, _) = of([9.0, 4.0], [10.0, 5.0]);
    assert!(said.starts_with("**Better than persistence"), "{said}");
    // The least number above 0 (a denormal), and one whose figure would have 300 digits.
    for base in [f64::from_bits(1), 1e-300] {
        let (said, table) = of([1.0, 1.0], [base, base]);
        assert!(
            said.starts_with("**Worse than persistence: its typical error (RMSE) is nothing beside"),
            "{said}"
        );
        assert!(!table.contains('%') && !table.contains("inf"), "{table}");
    }
}

#[test]
fn the_pictures_it_links_are_there_and_equal_runs_give_equal_bytes() {
    let report = reported(0.5, &[0.9, 0.3]);
    let folder = tempfile::tempdir().unwrap();
    report.write(&RunCx::new(folder.path(), &Sources::default())).unwrap();
    let text = std::fs::read_to_string(folder.path().join("report.md")).unwrap();
    let links: Vec<&str> = text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert_eq!(links, ["forecast", "against", "errors", "loss"].map(|name| format!("images/{name}.svg")));
    for link in links {
        assert!(std::fs::read_to_string(folder.path().join(link)).unwrap().starts_with("<svg"));
    }
    assert_eq!(report, reported(0.5, &[0.9, 0.3]));
}
