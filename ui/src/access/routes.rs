//! A router whose every route says who may use it.

use crate::openapi::Operation;
use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{self, MethodRouter};
use esteira_core::access::Role;
use std::collections::HashMap;
use std::fmt;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// What it takes and answers, where it is one of the API.
    pub(crate) operation: Option<Operation>,
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
        self.table.push(Route { method, path: path.to_owned(), access, operation: None });
        self
    }

    /// Says what the route before takes and answers.
    pub(crate) fn is(mut self, operation: Operation) -> Self {
        if let Some(route) = self.table.last_mut() {
            route.operation = Some(operation);
        }
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
        (self.router, Table::new(self.table))
    }
}

/// Every route, with who may use it.
#[derive(Debug)]
pub(crate) struct Table {
    /// By path and then by method.
    routes: Vec<Route>,
    /// The places of a path's routes.
    by_path: HashMap<String, Vec<usize>>,
}

impl Table {
    fn new(mut routes: Vec<Route>) -> Self {
        routes.sort_by(|one, other| {
            (&one.path, one.method.as_str()).cmp(&(&other.path, other.method.as_str()))
        });
        let mut by_path: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, route) in routes.iter().enumerate() {
            by_path.entry(route.path.clone()).or_default().push(place);
        }
        Self { routes, by_path }
    }

    /// The route of this method and path.
    pub(crate) fn find(&self, method: &Method, path: Option<&str>) -> Option<&Route> {
        // axum answers HEAD as GET.
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let places = self.by_path.get(path?)?;
        places.iter().map(|place| &self.routes[*place]).find(|route| route.method == *method)
    }

    /// Who may use this method of this path. Whoever may use another one learns that there is not this one; an address that is
    /// no route tells nothing, not even that, to those who are not signed in.
    pub(crate) fn access(&self, method: &Method, path: Option<&str>) -> Access {
        if let Some(route) = self.find(method, path) {
            return route.access;
        }
        let places = path.and_then(|path| self.by_path.get(path));
        places.into_iter().flatten().map(|place| self.routes[*place].access).min().unwrap_or(VIEWER)
    }

    /// Every route, by path and then by method.
    pub(crate) fn routes(&self) -> &[Route] {
        &self.routes
    }
}
