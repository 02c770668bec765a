use serde_json::json;

use super::*;
use crate::{DataLoader, config::parse, data::Transform};

/// The RMSE on the validation and on the test part, in real units; none if the config does not fit its data.
fn judged(config: &Value) -> Option<[f64; 2]> {
    let config: Config = parse(config).unwrap();
    let (folder, sources) = (tempfile::tempdir().unwrap(), Sources::default());
    if !check_data(&config, &sources.datasets, false).is_empty() {
        return None;
    }
    let cx = &mut RunCx::new(folder.path(), &sources);
    let (prepared, learner, _) = train("tests", &config, &sources.datasets, cx).unwrap();
    Some([prepared.validation.as_ref().unwrap(), &prepared.test].map(|windows| {
        let output =
            learner.evaluate(&mut DataLoader::new(windows.clone(), 64), true).unwrap().output.unwrap();
        prepared.forecast(windows, &output.to_vec()).rmse().unwrap()
    }))
}

#[test]
#[ignore = "fifteen trainings; to be run when the defaults change"]
fn the_default_transform_of_a_set_is_the_one_that_wins_on_its_validation_part() {
    for set in Datasets::bundled().iter() {
        let found = [Transform::None, Transform::Log1p, Transform::Difference].map(|transform| {
            let features = json!({"target_col_transform": transform});
            let config = json!({"data_sourcing": {"dataset": set.id}, "feature_engineering": features});
            (judged(&config), transform)
        });
        let fit = found.iter().filter_map(|(rmse, transform)| Some(((*rmse)?[0], *transform)));
        let best = fit.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, transform)| transform);
        assert_eq!(set.transform, best, "{}: [validation, test] {found:?}", set.id);
    }
}
