//! Parameters of queries that are more than a word.

use azura_queue::State;
use poem_openapi::{
    registry::MetaSchemaRef,
    types::{ParseError, ParseFromParameter, ParseResult, Type},
};

/// States, with commas between.
#[derive(Debug, Clone)]
pub(super) struct States(pub Vec<State>);

const ALL: [State; 5] = [State::Pending, State::Started, State::Success, State::Failure, State::Revoked];

impl ParseFromParameter for States {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        let known = |name: &str| ALL.into_iter().find(|state| state.to_string() == name.trim());
        let unknown = |name: &str| {
            let all = ALL.map(|state| state.to_string()).join(", ");
            ParseError::custom(format!("`{name}` is no state; there are: {all}"))
        };
        value
            .split(',')
            .map(|name| known(name).ok_or_else(|| unknown(name)))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Type for States {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> std::borrow::Cow<'static, str> {
        String::name()
    }

    fn schema_ref() -> MetaSchemaRef {
        String::schema_ref()
    }

    fn as_raw_value(&self) -> Option<&Self::RawValueType> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self::RawElementValueType> + 'a> {
        Box::new(std::iter::once(self))
    }
}
