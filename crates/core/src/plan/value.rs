//! Values as they come through the door, and the types that a field of a plan may have.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::event::Subscription;

/// A dynamically typed value, as it comes through the door.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value.
    None,
    /// A truth value.
    Bool(bool),
    /// A number.
    Int(i128),
    /// Bytes or a text.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A mapping.
    Map(Vec<(String, Value)>),
    /// A held descriptor.
    Handle(Handle),
    /// Where accounts are looked up.
    Accounts(Accounts),
}

/// A look-up of users and groups in all sources of the system, which only the caller can ask.
pub trait AccountSource: Send + Sync {
    /// The name of a user, or with `group` of a group.
    fn name(&self, group: bool, id: u32) -> Option<Vec<u8>>;
    /// The id of a user, or with `group` of a group.
    fn id(&self, group: bool, name: &[u8]) -> Option<u32>;
}

/// The source of accounts that a plan holds.
#[derive(Clone)]
pub struct Accounts(pub Arc<dyn AccountSource>);

impl std::fmt::Debug for Accounts {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Accounts")
    }
}

impl PartialEq for Accounts {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl FromValue for Accounts {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Accounts(accounts) => Some(accounts),
            _ => None,
        }
    }
}

/// A descriptor that a plan holds open.
#[derive(Debug, Clone)]
pub struct Handle(pub Arc<OwnedFd>);

impl PartialEq for Handle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl FromValue for Handle {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Handle(handle) => Some(handle),
            _ => None,
        }
    }
}

/// Types that a field of [`Plan`](super::Plan) may have.
pub trait FromValue: Sized {
    /// `None` when the value is of another kind or out of range.
    fn from_value(value: Value) -> Option<Self>;
}

impl FromValue for bool {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Bool(b) => Some(b),
            Value::Int(i) => Some(i != 0),
            _ => None,
        }
    }
}

macro_rules! from_int {
    ($($t:ty),*) => {$(
        impl FromValue for $t {
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::Int(i) => i.try_into().ok(),
                    Value::Bool(b) => Some(<$t>::from(b)),
                    _ => None,
                }
            }
        }
    )*};
}
from_int!(u8, i32, u32, i64, u64);

impl FromValue for Vec<u8> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Bytes(b) => Some(b),
            _ => None,
        }
    }
}

impl FromValue for String {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Bytes(b) => String::from_utf8(b).ok(),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::None => Some(None),
            other => T::from_value(other).map(Some),
        }
    }
}

impl FromValue for Vec<Vec<u8>> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::List(items) => items.into_iter().map(Vec::<u8>::from_value).collect(),
            _ => None,
        }
    }
}

impl FromValue for Vec<String> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::List(items) => items.into_iter().map(String::from_value).collect(),
            _ => None,
        }
    }
}

impl FromValue for Subscription {
    fn from_value(value: Value) -> Option<Self> {
        Self::from_names(&Vec::from_value(value)?)
    }
}

impl FromValue for Vec<u32> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::List(items) => items.into_iter().map(u32::from_value).collect(),
            _ => None,
        }
    }
}
