//! The whole program as those who run it meet it: the command line, deaths, history, reflexes, other users, looks.
mod cli;
mod history;
mod keeper;
mod kit;
mod looks;
#[cfg(feature = "onnx")]
mod onnx_models;
mod reflex;
mod second_user;
