//! The closed, versioned events of a convoy, nested by area, and their JSON.
