package meshtrace

// What tests see of the inside.

// EndpointFrom returns where spans go that no setting sends elsewhere.
func EndpointFrom(getenv func(name string) string) (string, error) {
	s, err := environment(getenv).complete(Config{})
	return s.Endpoint, err
}
