//! A person in a real browser, over the real program: headless Chromium, driven over WebDriver. One file a part of the
//! pages; `driver` is the browser, `looks` what every page must hold, such as axe's rules.

#![allow(clippy::unwrap_used)]

mod admin;
mod dag_grid;
mod dag_views;
mod driver;
mod home;
mod looks;
mod pages;
mod run;
mod run_actions;
mod run_views;
mod sensors;
#[path = "../support/mod.rs"]
mod support;
