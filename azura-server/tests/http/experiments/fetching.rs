//! Weather that is fetched, from a service on the loopback that answers as Open-Meteo's archive does.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    sync::Mutex,
    thread,
};

use azura_learner::{Registry, RunCx, Sources};
use azura_server::OpenMeteo;

use super::*;

/// The address of a service that tells the temperature of so many hours, and the requests that it was sent.
fn archive(hours: usize) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let requests = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            requests.lock().unwrap().push(lines.next().unwrap());
            assert!(lines.take_while(|line| !line.is_empty()).count() > 0);
            let time = |hour: usize| format!("2024-01-{:02}T{:02}:00", 1 + hour / 24, hour % 24);
            let times: Vec<_> = (0..hours).map(time).collect();
            let values: Vec<_> = (0..hours).map(|hour| (hour % 24) as f64 / 2.0).collect();
            let body = json!({"hourly": {"time": times, "temperature_2m": values}}).to_string();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).unwrap();
        }
    });
    (format!("http://{address}/v1/archive"), asked)
}

#[test]
fn a_place_is_forecast_from_what_was_fetched_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "pipeline_name": "weather_forecaster",
        "data_sourcing": {"latitude": 52.5, "longitude": 13.4, "hourly_vars": ["temperature_2m"],
            "start_date": "2024-01-01", "end_date": "2024-01-20"},
        "model_params": {"hidden_size": 4, "sequence_length": 5},
        "training_params": {"epochs": 1},
    });
    let (address, asked) = archive(480);
    let fetching = OpenMeteo::at(address, folder.path().join("fetched"));
    let sources = Sources::default().fetch(Arc::new(fetching));
    for run in ["one", "two"] {
        let out = folder.path().join(run);
        fs::create_dir(&out).unwrap();
        let results = Registry::builtin().run(&config, &mut RunCx::new(&out, &sources)).unwrap();
        assert_eq!(results.extra["target_col"], "temperature_2m");
    }
    let asked = asked.lock().unwrap();
    let expected = "GET /v1/archive?latitude=52.5&longitude=13.4&start_date=2024-01-01&end_date=2024-01-20\
        &hourly=temperature_2m&timezone=UTC HTTP/1.1";
    assert_eq!(*asked, [expected]);

    // Where it is not allowed, that is said before anything begins.
    let error = Registry::builtin().check(&config, &Sources::default()).unwrap_err();
    assert!(error.problems()[0].message.contains("does not fetch"), "{error}");
}
