//! Reading records, one by one and as lists.

use ::redis::{AsyncCommands as _, Value as Answer, pipe};

use super::{
    Shared, error,
    record::{self, FIELDS, micros},
    strange,
};
use crate::{ListQuery, Page, QueueError, Result, TaskId, TaskRecord};

/// How many records are looked at in one go when a listing is narrowed down.
const CHUNK: usize = 200;

impl Shared {
    pub(super) async fn records(&self, ids: &[TaskId]) -> Result<Vec<TaskRecord>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = pipe();
        for id in ids {
            pipe.cmd("HMGET").arg(self.key("task", id)).arg(&FIELDS);
        }
        let answers: Vec<Vec<Answer>> = pipe.query_async(&mut self.manager.clone()).await.map_err(error)?;
        let read = ids.iter().zip(&answers).map(|(id, values)| record::read(*id, &FIELDS, values));
        // A task may have been deleted since its id was read. One that cannot be read must not hide the others.
        let readable = |record: Result<Option<TaskRecord>>| {
            record.unwrap_or_else(|error| {
                tracing::warn!(%error, "a record is passed over");
                None
            })
        };
        Ok(read.filter_map(readable).collect())
    }

    pub(super) async fn record(&self, id: &TaskId) -> Result<TaskRecord> {
        self.records(&[*id]).await?.pop().ok_or(QueueError::NotFound(*id))
    }

    /// The index that narrows a query down the most, as far as can be told without looking.
    fn index(&self, query: &ListQuery) -> String {
        match (query.labels.first_key_value(), &query.states[..], &query.name) {
            (Some((key, value)), _, _) => self.key("label", &format!("{}:{key}={value}", key.len())),
            (None, [state], _) => self.key("state", state),
            (None, _, Some(name)) => self.key("name", name),
            (None, _, None) => format!("{}order", self.options.prefix),
        }
    }

    pub(super) async fn list(&self, query: &ListQuery) -> Result<Page<TaskRecord>> {
        let invalid = |cursor: &str| QueueError::InvalidCursor(cursor.to_owned());
        let mut last: Option<(i64, TaskId)> = match &query.cursor {
            Some(cursor) => {
                let (created, id) = cursor.split_once('/').ok_or_else(|| invalid(cursor))?;
                let parsed = created.parse().ok().zip(id.parse().ok());
                Some(parsed.ok_or_else(|| invalid(cursor))?)
            }
            None => None,
        };
        let (index, limit) = (self.index(query), query.limit.max(1));
        let within = query.submitted.as_ref().map(|within| (micros(within.start), micros(within.end) - 1));
        let (least, end) = within.unwrap_or((i64::MIN, i64::MAX));
        let mut page: Vec<(TaskRecord, String)> = Vec::new();
        // Most queries are narrowed down by their index alone: one more than the page is then enough to know whether there is more.
        let mut chunk = limit.saturating_add(1).min(CHUNK);
        loop {
            let most = last.map_or(end, |(created, _)| created.min(end));
            // Those of the very moment where the last look ended are looked at again, and passed over.
            let mut skip = 0;
            let mut fresh: Vec<(TaskId, i64)> = Vec::new();
            while fresh.is_empty() {
                let found: Vec<(String, f64)> = self
                    .manager
                    .clone()
                    .zrevrangebyscore_limit_withscores(&index, most, least, skip, chunk as isize)
                    .await
                    .map_err(error)?;
                if found.is_empty() {
                    break;
                }
                skip += found.len() as isize;
                for (id, created) in found {
                    let (id, created): (TaskId, i64) =
                        (id.parse().map_err(|_| strange(&id))?, created as i64);
                    // Members of one score are sorted by their text, here from the last to the first.
                    if last.is_none_or(|(at, past)| created < at || id.to_string() < past.to_string()) {
                        fresh.push((id, created));
                    }
                }
            }
            let Some(&(id, created)) = fresh.last() else {
                return Ok(Page::new(page, false));
            };
            (last, chunk) = (Some((created, id)), CHUNK);
            let ids: Vec<_> = fresh.into_iter().map(|(id, _)| id).collect();
            for record in self.records(&ids).await? {
                if query.matches(&record) {
                    if page.len() == limit {
                        return Ok(Page::new(page, true));
                    }
                    let cursor = format!("{}/{}", micros(record.created_at), record.id);
                    page.push((record, cursor));
                }
            }
        }
    }
}
