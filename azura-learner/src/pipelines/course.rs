//! How a training went, in words and as a picture: the same for every pipeline.

use crate::{
    History,
    report::{Chart, Colour, number},
};

/// A validation loss that ended so much above its lowest has turned.
const RISEN: f64 = 1.2;
/// A loss that still fell by so much in the last tenth of the epochs had not come to its end.
const FALLING: f64 = 0.02;

/// The epoch (from 1) with the lowest validation loss, and that loss.
pub(crate) fn best_epoch(history: &History) -> Option<(usize, f64)> {
    let losses = history.get("val_loss").iter().enumerate().filter_map(|(i, loss)| Some((i + 1, (*loss)?)));
    losses.min_by(|a, b| a.1.total_cmp(&b.1))
}

/// What the losses say, a sentence each, the course first and what is to be thought of it after that.
pub(crate) fn course(history: &History) -> Vec<String> {
    let loss = |x: f64| number(Some(x));
    let epochs = history.epochs();
    let count = format!("{epochs} epoch{}", if epochs == 1 { "" } else { "s" });
    let mut words = match history.get("loss") {
        [Some(first), .., Some(last)] => {
            vec![format!("In {count} the training loss went from {} to {}.", loss(*first), loss(*last))]
        }
        _ => vec![format!("It was trained for {count}.")],
    };
    words.extend(diverged(history));
    let last = history.get("val_loss").iter().rev().find_map(|loss| *loss);
    let Some(((epoch, best), last)) = best_epoch(history).zip(last) else {
        words.push("There is no validation loss: nothing was kept aside to watch the training by.".into());
        return words;
    };
    let lowest = format!("The validation loss was lowest in epoch {epoch}, at {}", loss(best));
    words.push(if last > best * RISEN {
        format!(
            "**It overfits from epoch {} on.** {lowest}, and ended {:.0} % above that: what was learned later did not carry over to \
             new data. The model has the weights of epoch {epoch}.",
            epoch + 1,
            100.0 * (last / best - 1.0),
        )
    } else if still_falling(history, epoch) {
        format!("{lowest}, and was still falling: **more epochs may make it better.**")
    } else {
        format!("{lowest}; the model has the weights of that epoch.")
    });
    words
}

/// Whether the training made the loss greater instead of smaller.
fn diverged(history: &History) -> Option<String> {
    let [Some(first), .., Some(last)] = history.get("loss") else { return None };
    (last > first).then(|| {
        "**The training loss rose instead of falling**: the learning rate may be too high, or there is nothing to be learned here.".into()
    })
}

/// Whether the best epoch is one of the last tenth, and clearly better than the best before them.
fn still_falling(history: &History, best: usize) -> bool {
    const FEWEST: usize = 10;
    let losses = history.get("val_loss");
    let tail = losses.len() - losses.len() / 10;
    let least = |losses: &[Option<f64>]| losses.iter().copied().flatten().min_by(f64::total_cmp);
    let (before, all) = (least(&losses[..tail]), least(losses));
    let fell = before.zip(all).is_some_and(|(before, all)| all < before * (1.0 - FALLING));
    losses.len() >= FEWEST && best > tail && fell
}

/// Both losses by epoch. `unit` says what a loss is.
pub(crate) fn loss_chart(history: &History, unit: &str) -> String {
    let epochs = (1..=history.epochs()).map(|epoch| epoch as f64);
    let mut chart = Chart::over_numbers("Loss by epoch", epochs)
        .subtitle("what the training lowers, and the same on data it does not learn from")
        .x_label("epoch")
        .y_label(unit)
        .from_zero()
        .line("training", Colour::Indigo, history.get("loss").iter().copied());
    if let Some((epoch, loss)) = best_epoch(history) {
        chart = chart.line("validation", Colour::Orange, history.get("val_loss").iter().copied());
        if history.epochs() > 1 {
            chart = chart.mark(epoch as f64, loss, format!("lowest: epoch {epoch}"));
        }
    }
    chart.svg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metrics;

    fn history(losses: impl IntoIterator<Item = (f64, Option<f64>)>) -> History {
        let epoch = |(loss, validation): (f64, Option<f64>)| {
            let mut metrics = Metrics::from([("loss".into(), loss)]);
            metrics.extend(validation.map(|loss| ("val_loss".into(), loss)));
            metrics
        };
        losses.into_iter().map(epoch).collect()
    }

    #[test]
    fn words_for_what_happened() {
        let words = |losses: Vec<(f64, Option<f64>)>| course(&history(losses)).join(" ");
        let overfits = words(vec![(3.0, Some(2.0)), (2.0, Some(1.0)), (1.0, Some(1.5))]);
        assert!(
            overfits.starts_with("In 3 epochs the training loss went from 3.000 to 1.000."),
            "{overfits}"
        );
        assert!(
            overfits.contains("**It overfits from epoch 3 on.**") && overfits.contains("50 % above"),
            "{overfits}"
        );
        let fine = words(vec![(3.0, Some(2.0)), (2.0, Some(1.0)), (1.0, Some(1.1))]);
        assert!(fine.contains("lowest in epoch 2, at 1.000; the model has the weights"), "{fine}");
        // The last of ten epochs brings the loss from 2 to 1.
        let mut falling: Vec<_> =
            (2..=10).rev().map(|loss| (f64::from(loss), Some(f64::from(loss)))).collect();
        falling.push((1.0, Some(1.0)));
        assert!(words(falling).contains("more epochs may make it better"));
        assert!(words(vec![(1.0, None), (9.0, None)]).contains("rose instead of falling"));
        assert!(words(vec![(1.0, None)]).contains("There is no validation loss"));
    }
}
