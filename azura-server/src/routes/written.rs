//! Lists whose items were written one by one, so that it is known how long they are.

use std::marker::PhantomData;

use poem::{IntoResponse, Response};
use poem_openapi::{
    payload::{Json, Payload},
    registry::{MetaSchemaRef, Registry},
    types::{ToJSON, Type},
};

/// The longest list.
const LONGEST: usize = 1 << 20;

/// A JSON list of so many items as fit into it, and at least of one.
pub(super) struct Written<T>(String, PhantomData<T>);

/// Takes items for a list.
#[derive(Default)]
pub(super) struct Room(usize);

impl Room {
    /// The item as it will stand in the list, unless the list is full.
    pub(super) fn take(&mut self, item: &impl ToJSON) -> Option<String> {
        let item = item.to_json().unwrap_or_default().to_string();
        // With the commas and brackets around it.
        let filled = self.0 + item.len() + 2;
        (self.0 == 0 || filled < LONGEST).then(|| {
            self.0 = filled;
            item
        })
    }
}

impl<T> Written<T> {
    pub(super) fn of(items: &[String]) -> Self {
        Self(format!("[{}]", items.join(",")), PhantomData)
    }
}

impl<T: Type> Payload for Written<T> {
    const CONTENT_TYPE: &'static str = Json::<Vec<T>>::CONTENT_TYPE;

    fn schema_ref() -> MetaSchemaRef {
        Vec::<T>::schema_ref()
    }

    fn register(registry: &mut Registry) {
        Vec::<T>::register(registry);
    }
}

impl<T: Type> IntoResponse for Written<T> {
    fn into_response(self) -> Response {
        Response::builder().content_type(Self::CONTENT_TYPE).body(self.0)
    }
}
