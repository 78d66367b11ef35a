//! What a statement takes: values that both engines can store.

/// A value of a statement, or what a column contains.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum SqlValue<'a> {
    Null,
    Integer(i64),
    /// Only a damaged SQLite database contains such numbers.
    Real(f64),
    /// In a damaged SQLite database, not always UTF-8.
    Text(&'a [u8]),
    Blob(&'a [u8]),
}

/// What can be given to a statement.
pub(super) trait ToValue {
    fn value(&self) -> SqlValue<'_>;
}

impl ToValue for i64 {
    fn value(&self) -> SqlValue<'_> {
        SqlValue::Integer(*self)
    }
}

impl ToValue for u32 {
    fn value(&self) -> SqlValue<'_> {
        SqlValue::Integer((*self).into())
    }
}

impl ToValue for bool {
    fn value(&self) -> SqlValue<'_> {
        SqlValue::Integer((*self).into())
    }
}

impl ToValue for str {
    fn value(&self) -> SqlValue<'_> {
        SqlValue::Text(self.as_bytes())
    }
}

impl ToValue for String {
    fn value(&self) -> SqlValue<'_> {
        SqlValue::Text(self.as_bytes())
    }
}

impl ToValue for [u8] {
    fn value(&self) -> SqlValue<'_> {
        SqlValue::Blob(self)
    }
}

impl<const N: usize> ToValue for [u8; N] {
    fn value(&self) -> SqlValue<'_> {
        SqlValue::Blob(self)
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn value(&self) -> SqlValue<'_> {
        (*self).value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn value(&self) -> SqlValue<'_> {
        self.as_ref().map_or(SqlValue::Null, ToValue::value)
    }
}

/// The values of one statement: `?1`, `?2` and so on, or named.
pub(super) trait Values {
    /// Calls `run` with the values and, if they are named, with their names.
    fn with<R>(&self, run: impl FnOnce(&[SqlValue<'_>], &[&str]) -> R) -> R;
}

impl<T: ToValue, const N: usize> Values for [T; N] {
    fn with<R>(&self, run: impl FnOnce(&[SqlValue<'_>], &[&str]) -> R) -> R {
        run(&self.each_ref().map(ToValue::value), &[])
    }
}

/// Names with their values; [`named`] makes them.
pub(super) struct Named<'a, const N: usize>(pub [(&'static str, &'a dyn ToValue); N]);

impl<const N: usize> Values for Named<'_, N> {
    fn with<R>(&self, run: impl FnOnce(&[SqlValue<'_>], &[&str]) -> R) -> R {
        run(&self.0.map(|(_, value)| value.value()), &self.0.map(|(name, _)| name))
    }
}

/// `named! { ":id": id, ":name": name }`
macro_rules! named {
    ($($name:literal: $value:expr),+ $(,)?) => {
        $crate::store::value::Named([$(($name, &$value as &dyn $crate::store::value::ToValue)),+])
    };
}
pub(super) use named;

macro_rules! tuples {
    ($($type:ident $at:tt),+) => {
        impl<$($type: ToValue),+> Values for ($($type,)+) {
            fn with<R>(&self, run: impl FnOnce(&[SqlValue<'_>], &[&str]) -> R) -> R {
                run(&[$(self.$at.value()),+], &[])
            }
        }
    };
}

tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);
tuples!(A 0, B 1, C 2, D 3);
tuples!(A 0, B 1, C 2, D 3, E 4);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);

impl Values for &[SqlValue<'_>] {
    fn with<R>(&self, run: impl FnOnce(&[SqlValue<'_>], &[&str]) -> R) -> R {
        run(self, &[])
    }
}

impl Values for () {
    fn with<R>(&self, run: impl FnOnce(&[SqlValue<'_>], &[&str]) -> R) -> R {
        run(&[], &[])
    }
}
