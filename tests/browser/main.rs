//! A person in a real browser, over the real program: headless Chromium, driven over WebDriver. One file a part of the
//! pages; `chromium` starts the browser, `driver` is what a test does with it, `looks` what every page must hold, such as axe's rules.

#![allow(clippy::unwrap_used)]

mod admin;
mod chromium;
mod dag_grid;
mod dag_views;
mod driver;
mod home;
mod looks;
mod pages;
mod people;
mod run;
mod run_actions;
mod run_changes;
mod run_views;
mod sensors;
#[path = "../support/mod.rs"]
mod support;
