//! What surrounds every page: the rail, the crumbs, the theme, the scripts.
//!
//! A handler takes a [`Visitor`], and a page's template extends `base.html` and has a field `frame`:
//!
//! ```text
//! let frame = visitor.frame(Section::Sensors, "Sensors").script("sensors.js").style("sensors.css");
//! frame::html(&SensorsPage { frame, .. })
//! ```

use crate::access::Caller;
use crate::error_pages::PageError;
use crate::locale;
use crate::{AppState, assets};
use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::{Html, IntoResponse, Response};
use esteira_core::access::Role;
use esteira_runtime::Credential;
use std::convert::Infallible;

/// The entries of the rail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    /// How everything is.
    Home,
    /// The list of DAGs and all beneath it.
    Dags,
    /// All runs.
    Runs,
    /// What tasks ask people.
    Actions,
    /// The sensor dashboard.
    Sensors,
    /// What tasks bring up to date and DAGs are run for.
    Assets,
    /// The audit history.
    Audit,
    /// What DAGs share, and who may come in: the tabs of `admin_head.html`.
    Admin,
    /// Files that make no DAG, while there are any.
    ImportErrors,
    /// Nowhere: an error page.
    None,
}

/// Where one is, in the top line.
#[derive(Clone, Debug)]
pub(crate) struct Crumb {
    pub(crate) label: String,
    /// Empty for the page itself.
    pub(crate) url: String,
}

/// What the browser says about how it wants pages to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Visitor {
    /// `light` or `dark` when chosen, else empty: as the system has it.
    theme: &'static str,
    import_errors: usize,
    open_questions: u64,
    newest_event: u64,
    caller: Option<Caller>,
    /// The address of the page that is asked for, with its query.
    address: String,
}

impl FromRequestParts<AppState> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        // A database that cannot be read is told of by the page itself, not by its frame.
        // Read before the page reads anything: what happens from here on comes to the page as live events.
        let newest_event = state.handle.reader().event_count().await.unwrap_or(0);
        let import_errors = state.handle.reader().import_errors().await.map_or(0, |errors| errors.len());
        let open_questions = state.handle.reader().open_question_count().await.unwrap_or(0);
        Ok(Self {
            theme: chosen_theme(parts),
            import_errors,
            open_questions,
            newest_event,
            caller: Some(Caller::of(parts)),
            address: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        })
    }
}

impl Visitor {
    /// The frame of a page of this section.
    pub(crate) fn frame(&self, section: Section, title: impl Into<String>) -> Frame {
        Frame {
            title: title.into(),
            section,
            crumbs: Vec::new(),
            theme: self.theme,
            import_errors: self.import_errors,
            open_questions: self.open_questions,
            newest_event: self.newest_event,
            address: self.address.clone(),
            user: self.user(),
            may: self.may(),
            scripts: Vec::new(),
            styles: Vec::new(),
            events: String::new(),
        }
    }

    /// Who is signed in; empty where there are no users.
    fn user(&self) -> String {
        let principal = self.caller.as_ref().and_then(|caller| caller.principal.as_ref());
        let named = principal.filter(|principal| principal.credential != Credential::None);
        named.map(|principal| principal.name.to_string()).unwrap_or_default()
    }

    /// What they may do.
    pub(crate) fn may(&self) -> May {
        let may = |role| self.caller.as_ref().is_some_and(|caller| caller.may(role));
        May { run: may(Role::User), operate: may(Role::Operator), manage: may(Role::Admin) }
    }
}

/// What whoever looks at a page may do, so that it shows no buttons that would be refused.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct May {
    /// Start, stop, clear, mark, pause, answer.
    pub(crate) run: bool,
    /// Change what DAGs share.
    pub(crate) operate: bool,
    /// Make and change users, and revoke anybody's tokens.
    pub(crate) manage: bool,
}

/// A chosen theme: by `?theme=` in the address (for pictures), or by the cookie that the toggle sets.
fn chosen_theme(parts: &Parts) -> &'static str {
    let query = parts.uri.query().unwrap_or_default();
    theme_among(query.split('&').chain(cookies(&parts.headers)))
}

/// The theme that the toggle has set.
pub(crate) fn theme_in_cookie(headers: &HeaderMap) -> &'static str {
    theme_among(cookies(headers))
}

/// What the cookies say, each as `name=value`.
pub(crate) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let cookies = headers.get(header::COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    cookies.split(';').map(str::trim)
}

fn theme_among<'a>(mut words: impl Iterator<Item = &'a str>) -> &'static str {
    words
        .by_ref()
        .filter_map(|word| word.strip_prefix("theme="))
        .find_map(|theme| match theme {
            "light" => Some("light"),
            "dark" => Some("dark"),
            _ => None,
        })
        .unwrap_or_default()
}

/// What surrounds a page.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) title: String,
    pub(crate) section: Section,
    pub(crate) crumbs: Vec<Crumb>,
    pub(crate) theme: &'static str,
    pub(crate) import_errors: usize,
    pub(crate) open_questions: u64,
    pub(crate) newest_event: u64,
    /// The address of the page itself, to come back to.
    pub(crate) address: String,
    /// Who is signed in, or empty where nobody has to.
    pub(crate) user: String,
    pub(crate) may: May,
    pub(crate) scripts: Vec<String>,
    pub(crate) styles: Vec<String>,
    /// The query of the live events that the page wants: `dag_id=x&run_id=y`.
    pub(crate) events: String,
}

impl Frame {
    /// One more step on the way to this page.
    #[must_use]
    pub(crate) fn crumb(mut self, label: impl Into<String>, url: impl Into<String>) -> Self {
        self.crumbs.push(Crumb { label: label.into(), url: url.into() });
        self
    }

    /// A script module that only this page needs.
    #[must_use]
    pub(crate) fn script(mut self, name: &str) -> Self {
        self.scripts.push(assets::url(name));
        self
    }

    /// A style sheet that only this page needs.
    #[must_use]
    pub(crate) fn style(mut self, name: &str) -> Self {
        self.styles.push(assets::url(name));
        self
    }

    /// Narrows the live events down to those that the page shows.
    #[must_use]
    pub(crate) fn events(mut self, query: impl Into<String>) -> Self {
        self.events = query.into();
        self
    }

    /// The tag of the language that the page is in, for templates.
    pub(crate) fn language(&self) -> &'static str {
        locale::language().tag()
    }

    /// The name of the language that the page is in, for templates.
    pub(crate) fn language_name(&self) -> &'static str {
        locale::language().name()
    }

    /// The name of the zone that times are in, for templates.
    pub(crate) fn zone(&self) -> String {
        locale::with(|locale| locale.zone_name().to_owned())
    }

    /// The address of a static file, for templates.
    pub(crate) fn asset(&self, name: &str) -> String {
        assets::url(name)
    }

    /// `on` for the section that the page is in, for templates.
    pub(crate) fn on(&self, section: &str) -> &'static str {
        let name = match self.section {
            Section::Home => "home",
            Section::Dags => "dags",
            Section::Runs => "runs",
            Section::Actions => "actions",
            Section::Sensors => "sensors",
            Section::Assets => "assets",
            Section::Audit => "audit",
            Section::Admin => "admin",
            Section::ImportErrors => "import-errors",
            Section::None => "",
        };
        if name == section { "on" } else { "" }
    }
}

/// A page as an answer.
pub(crate) fn html(page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => PageError::internal(error).into_response(),
    }
}
