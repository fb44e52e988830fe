//! A router whose every route says who may use it.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{self, MethodRouter};
use esteira_core::access::Role;
use std::collections::HashMap;
use std::fmt;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody, also without signing in: the page to sign in, what it is made of, and doors with a key of their own.
    Public,
    /// Users of this role, and of those that may do more.
    Role(Role),
}

/// Whoever is signed in.
pub(crate) const VIEWER: Access = Access::Role(Role::Viewer);
/// Who may start and stop things.
pub(crate) const USER: Access = Access::Role(Role::User);
/// Who may change what DAGs share.
pub(crate) const OPERATOR: Access = Access::Role(Role::Operator);
/// Who may manage users and keys.
pub(crate) const ADMIN: Access = Access::Role(Role::Admin);

impl fmt::Display for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => formatter.write_str("public"),
            Self::Role(role) => role.fmt(formatter),
        }
    }
}

/// What a route is, besides its handler.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) method: Method,
    /// As axum has it: `/dags/{dag_id}`.
    pub(crate) path: String,
    pub(crate) access: Access,
}

/// A router, and the table of its routes.
pub(crate) struct Routes<S> {
    router: Router<S>,
    table: Vec<Route>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    pub(crate) fn new() -> Self {
        Self { router: Router::new(), table: Vec::new() }
    }

    pub(crate) fn get<H: Handler<T, S>, T: 'static>(self, path: &str, access: Access, handler: H) -> Self {
        self.add(Method::GET, path, access, routing::get(handler))
    }

    pub(crate) fn post<H: Handler<T, S>, T: 'static>(self, path: &str, access: Access, handler: H) -> Self {
        self.add(Method::POST, path, access, routing::post(handler))
    }

    pub(crate) fn put<H: Handler<T, S>, T: 'static>(self, path: &str, access: Access, handler: H) -> Self {
        self.add(Method::PUT, path, access, routing::put(handler))
    }

    pub(crate) fn patch<H: Handler<T, S>, T: 'static>(self, path: &str, access: Access, handler: H) -> Self {
        self.add(Method::PATCH, path, access, routing::patch(handler))
    }

    pub(crate) fn delete<H: Handler<T, S>, T: 'static>(self, path: &str, access: Access, handler: H) -> Self {
        self.add(Method::DELETE, path, access, routing::delete(handler))
    }

    fn add(mut self, method: Method, path: &str, access: Access, handler: MethodRouter<S>) -> Self {
        self.router = self.router.route(path, handler);
        self.table.push(Route { method, path: path.to_owned(), access });
        self
    }

    /// These routes and those.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.table.extend(other.table);
        self
    }

    /// The same routes, their router changed: by a layer or a fallback.
    pub(crate) fn map(mut self, change: impl FnOnce(Router<S>) -> Router<S>) -> Self {
        self.router = change(self.router);
        self
    }

    /// The router, and the table that its gate reads.
    pub(crate) fn into_parts(self) -> (Router<S>, Table) {
        let mut by_path: HashMap<String, Vec<(Method, Access)>> = HashMap::new();
        for Route { method, path, access } in self.table {
            by_path.entry(path).or_default().push((method, access));
        }
        (self.router, Table(by_path))
    }
}

/// Who may use which route.
#[derive(Debug)]
pub(crate) struct Table(HashMap<String, Vec<(Method, Access)>>);

impl Table {
    /// Who may use this route. An address that is no route tells nothing, not even that, to those who are not signed in.
    pub(crate) fn access(&self, method: &Method, path: Option<&str>) -> Access {
        let routes = path.and_then(|path| self.0.get(path));
        // axum answers HEAD as GET.
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let found = routes.into_iter().flatten().find(|(known, _)| known == method);
        found.map_or(VIEWER, |(_, access)| *access)
    }

    /// Every route as `(method, path, who)`, in order.
    pub(crate) fn rows(&self) -> Vec<(String, String, String)> {
        let mut rows: Vec<_> = self
            .0
            .iter()
            .flat_map(|(path, routes)| {
                routes
                    .iter()
                    .map(move |(method, access)| (method.to_string(), path.clone(), access.to_string()))
            })
            .collect();
        rows.sort_by(|one, other| (&one.1, &one.0).cmp(&(&other.1, &other.0)));
        rows
    }
}
