//! Which tasks to list, and a page of them.

use std::ops::Range;

use jiff::Timestamp;

use crate::{Labels, State, TaskRecord};

/// Which tasks to list. The default asks for the newest 100 of all.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct ListQuery {
    /// Only tasks that have all of these labels.
    pub labels: Labels,
    /// Only tasks in one of these states; empty: in any.
    pub states: Vec<State>,
    /// Only tasks of this name.
    pub name: Option<String>,
    /// Only tasks that were submitted within this time, told apart to the microsecond.
    pub submitted: Option<Range<Timestamp>>,
    /// Only dead letters.
    pub dead: bool,
    /// Leave out what plainly does not have all of these texts in its record, in small or capital letters as Unicode has them. It spares whoever
    /// looks for something rare to read all else; a backend may leave out less, or nothing.
    pub hints: Vec<String>,
    /// The label without which a task is listed whatever the hints: more is to be known of it than what is in its record so far.
    pub hinted: Option<String>,
    /// The length of a page, at least 1.
    pub limit: usize,
    /// Go on where the page ended that gave this as its [`Page::next`], or behind the item that it gave this for.
    pub cursor: Option<String>,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self {
            labels: Labels::new(),
            states: Vec::new(),
            name: None,
            submitted: None,
            dead: false,
            hints: Vec::new(),
            hinted: None,
            limit: 100,
            cursor: None,
        }
    }
}

impl ListQuery {
    /// Asks for a label.
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Adds a state to those asked for.
    pub fn state(mut self, state: State) -> Self {
        self.states.push(state);
        self
    }

    /// Asks for tasks of this name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Asks for tasks that were submitted within this time.
    pub fn submitted(mut self, within: Range<Timestamp>) -> Self {
        self.submitted = Some(within);
        self
    }

    /// Asks for dead letters.
    pub fn dead(mut self) -> Self {
        self.dead = true;
        self
    }

    /// Adds a text without which a task need not be listed.
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.hints.push(text.into());
        self
    }

    /// Says that hints are about tasks with this label alone.
    pub fn hinted(mut self, key: impl Into<String>) -> Self {
        self.hinted = Some(key.into());
        self
    }

    /// Sets the length of a page.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Goes on after an earlier page.
    pub fn cursor(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }

    /// Whether a task is among those asked for, page, cursor and hints aside.
    pub fn matches(&self, task: &TaskRecord) -> bool {
        (self.states.is_empty() || self.states.contains(&task.state))
            && (!self.dead || task.dead)
            && self.name.as_ref().is_none_or(|name| *name == task.name)
            && self.submitted.as_ref().is_none_or(|within| within.contains(&task.created_at))
            && self.labels.iter().all(|(key, value)| task.labels.get(key) == Some(value))
    }
}

/// A part of a long list.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Of each item, the cursor of a page that begins behind it, whatever becomes of the item meanwhile.
    pub cursors: Vec<String>,
    /// Where the next page begins; `None` if this is the last one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of items, each with the cursor of what comes behind it, and whether anything does.
    pub fn new(items: impl IntoIterator<Item = (T, String)>, more: bool) -> Self {
        let (items, cursors): (Vec<_>, Vec<_>) = items.into_iter().unzip();
        let next = cursors.last().filter(|_| more).cloned();
        Self { items, cursors, next }
    }
}
