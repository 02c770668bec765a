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
fn the_pictures_it_links_are_there_and_equal_runs_give_equal_bytes() {
    let report = reported(0.5, &[0.9, 0.3]);
    let folder = tempfile::tempdir().unwrap();
    report.write(&RunCx::new(folder.path(), &Sources::default())).unwrap();
    let text = std::fs::read_to_string(folder.path().join("report.md")).unwrap();
    let links: Vec<&str> = text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert_eq!(links, ["images/forecast.svg", "images/loss.svg"]);
    for link in links {
        assert!(std::fs::read_to_string(folder.path().join(link)).unwrap().starts_with("<svg"));
    }
    assert_eq!(report, reported(0.5, &[0.9, 0.3]));
}
