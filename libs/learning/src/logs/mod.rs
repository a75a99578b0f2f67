//! Log lines to templates, templates to rates, runs of templates to surprise.
pub mod flow;
pub mod rates;
pub mod relations;
pub mod template;
