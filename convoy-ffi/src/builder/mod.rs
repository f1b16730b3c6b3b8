//! The engine builder.

mod options;
mod parts;

use self::options::Options;
use self::parts::{BuilderObject, Parts};

mod functions;

pub use self::functions::*;
