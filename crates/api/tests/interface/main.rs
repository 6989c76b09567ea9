//! The HTTP interface, from outside. One program for all of it: each test program that has a node in it takes a minute to build.

mod access;
mod app;
mod bills;
mod calls;
mod common;
mod openapi;
mod strain;
mod web;
