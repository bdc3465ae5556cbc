// Package global finds the provider, the tracer and the propagator that a middleware works with.
//
// A middleware may be made before the program has set OpenTelemetry's globals, and a test sets
// them more than once. So what a user left out is looked up at each request, cheaply: what was
// made of a provider is kept for as long as the provider stays the same.
//
// OpenTelemetry has placeholders for globals that nobody has set. They are recognised here, so
// that a middleware without a provider does no work that nobody would see.
package global
