//! Many runs of one config.

use crate::common::{Server, small};
use serde_json::{Value, json};

async fn all(server: &Server, query: &str) -> Vec<Value> {
    let answer = server.get(&format!("/experiments?fields=summary{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn lists_for_values_that_are_none_make_a_run_of_each_combination() {
    let server = Server::idle().await;
    let mut grid = small(3);
    grid["batch_name"] = "rates and sizes".into();
    grid["training_params"]["lr"] = "0.1, 0.01".into();
    grid["model_params"]["hidden_size"] = json!([4, 5, 6]);
    let valid = server.post("/pipelines/csv_forecaster/validate", &grid).await;
    assert_eq!((valid.status, valid.json()), (200, json!({"runs": 6})));

    let answer = server.post("/experiments", &grid).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let answer = answer.json();
    assert!(answer.get("task_id").is_none(), "{answer}");
    let tasks: Vec<_> =
        answer["task_ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    // `model_params` stands before `training_params`, in the config as here.
    let mut made = Vec::new();
    for task in &tasks {
        let run = server.details(task).await;
        assert_eq!((&run["batch_id"], &run["batch_name"]), (&answer["batch_id"], &json!("rates and sizes")));
        let config = &run["config"];
        made.push(json!([config["model_params"]["hidden_size"], config["training_params"]["lr"]]));
        assert_eq!(run["changes"]["training_params.lr"], config["training_params"]["lr"]);
    }
    let combinations = json!([[4, 0.1], [4, 0.01], [5, 0.1], [5, 0.01], [6, 0.1], [6, 0.01]]);
    assert_eq!(Value::from(made), combinations);

    server.submit(small(1)).await;
    let batch = format!("&batch_id={}", answer["batch_id"].as_str().unwrap());
    let listed: Vec<_> = all(&server, &batch).await.iter().map(|run| run["task_id"].clone()).collect();
    assert_eq!(listed, tasks.iter().rev().map(|&task| json!(task)).collect::<Vec<_>>());
    assert_eq!(all(&server, "").await.len(), 7);
}

#[tokio::test]
async fn of_a_grid_with_something_wrong_nothing_is_queued() {
    let server = Server::idle().await;
    let mut grid = small(3);
    grid["training_params"]["lr"] = json!([0.1, -1.0]);
    let refused = server.post("/experiments", &grid).await;
    assert_eq!((refused.status, refused.pointers()), (422, vec!["/training_params/lr".to_owned()]));
    grid["training_params"]["lr"] = json!([]);
    assert_eq!(server.post("/experiments", &grid).await.pointers(), ["/training_params/lr"]);
    // 17 * 16 = 272.
    grid["training_params"]["lr"] = (1..=17).map(|i| f64::from(i) * 1e-3).collect();
    grid["training_params"]["seed"] = (1..=16).collect();
    let refused = server.post("/experiments", &grid).await;
    assert!(refused.status == 422 && refused.text().contains("272 runs; at most 256"), "{}", refused.text());
    assert_eq!(all(&server, "").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_run_is_made_once_more() {
    let server = Server::start().await;
    let first = server.submit(small(2)).await;
    server.ended(&first).await;
    let answer = server.post(&format!("/experiments/{first}/rerun"), &json!({})).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let second = answer.json()["task_id"].as_str().unwrap().to_owned();
    server.ended(&second).await;
    let [first, second] = [server.details(&first).await, server.details(&second).await];
    assert_ne!(first["experiment_id"], second["experiment_id"]);
    for same in ["config", "results", "loss"] {
        assert_eq!(first[same], second[same]);
    }
    assert_eq!(first["loss"], first["results"]["history"]["loss"]);
    let missing = server.post("/experiments/nope/rerun", &json!({})).await;
    assert_eq!((missing.status, missing.code().as_str()), (404, "EXPERIMENT_NOT_FOUND"));
}

#[tokio::test]
async fn what_there_is_to_choose_from_hangs_on_the_data() {
    let server = Server::idle().await;
    let choices = async |pipeline: &str, config: Value| {
        let answer = server.post(&format!("/pipelines/{pipeline}/choices"), &config).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["choices"].clone()
    };
    let weather = choices("csv_forecaster", json!({})).await;
    let columns = json!(["precipitation", "temp_max", "temp_min", "wind"]);
    assert_eq!(
        (&weather["/feature_engineering/target_col"], &weather["/feature_engineering/feature_cols"]),
        (&columns, &columns)
    );
    assert_eq!(weather["/data_sourcing/time_col"], json!(["date"]));
    // What is wrong elsewhere is no matter.
    let wrong =
        json!({"data_sourcing": {"dataset": "sunspots"}, "training_params": {"lr": "x"}, "nonsense": 1});
    let sunspots = choices("csv_forecaster", wrong).await;
    assert_eq!(sunspots["/feature_engineering/target_col"], json!(["SUNACTIVITY"]));
    assert_eq!(
        choices("csv_forecaster", json!({"data_sourcing": {"dataset": "nope"}})).await,
        json!({"/data_sourcing/dataset": weather["/data_sourcing/dataset"]})
    );
    assert_eq!(choices("csv_forecaster", json!([])).await, weather);
    assert_eq!(choices("image_classifier", json!({})).await, json!({"/data_sourcing/dataset": ["digits"]}));
    assert_eq!(choices("voice_generator", json!({})).await, json!({"/data_sourcing/dataset": []}));
    let share = choices("stock_predictor", json!({})).await;
    assert_eq!(
        share.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["/feature_engineering/feature_cols", "/feature_engineering/target_col"]
    );
    let place =
        json!({"data_sourcing": {"latitude": 41.0, "longitude": 29.0, "hourly_vars": ["rain", "snowfall"]}});
    assert_eq!(
        choices("weather_forecaster", place).await["/feature_engineering/target_col"],
        json!(["rain", "snowfall"])
    );
    let unknown = server.post("/pipelines/nope/choices", &json!({})).await;
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "CONFIG_NOT_FOUND"));
}
