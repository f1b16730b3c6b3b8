//! A valid spec to a plan: graph, phases, longest paths, exclusions. Pure.
