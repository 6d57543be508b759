"""Pictures of clouds: cameras, splatting with a depth buffer, shading, and which objects each view shows."""
