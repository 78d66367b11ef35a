//! What every page shares: the frame around it, a form field, a time, older and newer.

/// The frame around a page: head, navigation and the notice after an action.
pub struct Shell {
    /// The page's name; the browser shows `title · Keybearer`.
    pub title: String,
    pub assets: Assets,
    pub csrf_token: String,
    /// `None` before log-in; the navigation is then left out.
    pub me: Option<Me>,
    pub here: Nav,
    pub notice: Option<Notice>,
}

/// Content-hashed URLs of the files under `static/`.
#[derive(Clone)]
pub struct Assets {
    pub css: String,
    pub js: String,
    pub icon: String,
}

/// Who is signed in.
#[derive(Clone)]
pub struct Me {
    pub email: String,
    pub is_admin: bool,
}

/// The entry of the navigation that is marked as the current one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Nav {
    Keys,
    AdminKeys,
    Users,
    Events,
    Reference,
    Account,
    None,
}

/// An entry of the navigation.
pub struct Place {
    pub url: &'static str,
    pub label: &'static str,
    pub is_here: bool,
}

/// What became of the last action, above the page.
#[derive(Clone)]
pub struct Notice {
    pub kind: NoticeKind,
    pub text: String,
}

/// Whether a notice reports success or trouble.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    Success,
    Problem,
}

/// A point in time.
#[derive(Clone)]
pub struct When {
    /// RFC 3339 UTC, for machines.
    pub iso: String,
    /// Such as `2026-11-23 07:48 UTC`.
    pub text: String,
}

/// What a person typed into a form field, and what is wrong with it.
///
/// The value of a password field is never rendered back.
#[derive(Clone, Default)]
pub struct Field {
    pub value: String,
    pub error: Option<String>,
}

/// One line of the error summary: the field's `id` and what is wrong with it.
pub struct FieldError<'a> {
    pub id: String,
    pub message: &'a str,
}

/// URLs of the neighbouring pages of a list.
#[derive(Clone, Default)]
pub struct Pager {
    pub newer: Option<String>,
    pub older: Option<String>,
}

impl Shell {
    /// The navigation, in its order; a member sees less of it.
    pub(super) fn places(&self) -> Vec<Place> {
        let place = |nav, url, label| Place { url, label, is_here: self.here == nav };
        let mut places = vec![place(Nav::Keys, "/keys", "My keys")];
        if self.me.as_ref().is_some_and(|me| me.is_admin) {
            places.extend([
                place(Nav::AdminKeys, "/admin/keys", "All keys"),
                place(Nav::Users, "/users", "Users"),
                place(Nav::Events, "/events", "Audit log"),
            ]);
        }
        places.push(place(Nav::Reference, "/reference", "API"));
        places.push(place(Nav::Account, "/account", "Account"));
        places
    }
}

impl NoticeKind {
    pub(super) fn is_problem(self) -> bool {
        self == Self::Problem
    }
}

/// The fields that carry an error, in the order given.
pub(super) fn errors_of<'a>(fields: impl IntoIterator<Item = (String, &'a Field)>) -> Vec<FieldError<'a>> {
    let wrong = |(id, field): (String, &'a Field)| {
        let message = field.error.as_deref()?;
        Some(FieldError { id, message })
    };
    fields.into_iter().filter_map(wrong).collect()
}
