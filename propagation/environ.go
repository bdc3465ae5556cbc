package propagation

import (
	"slices"
	"strings"

	otelpropagation "go.opentelemetry.io/otel/propagation"
)

// Environ is a carrier of environment variables in the form of os.Environ, for the trace to go
// on in a child process: traceparent is the variable TRACEPARENT. Give a pointer to it to Inject
// and Extract:
//
//	env := propagation.Environ(os.Environ())
//	propagation.Linkerd().Inject(ctx, &env)
//	cmd.Env = env
//
// A variable's name is that of the header in upper case, has _ for whatever is neither a letter nor
// a digit, and _ in front of a digit. As os/exec does, Get takes the last of several variables with
// the same name. Variables with other names are left alone. Everything in the process can read
// them, and on most systems so can its user's other processes.
//
// Spec: OpenTelemetry, Environment Variables as Context Propagation Carriers, https://opentelemetry.io/docs/specs/otel/context/env-carriers/
type Environ []string

var (
	_ otelpropagation.TextMapCarrier = (*Environ)(nil)
	_ Deleter                        = (*Environ)(nil)
)

// Get returns the value of the variable for key, or "".
func (env *Environ) Get(key string) string {
	prefix := variable(key) + "="
	for _, v := range slices.Backward(*env) {
		if value, ok := strings.CutPrefix(v, prefix); ok {
			return value
		}
	}
	return ""
}

// Set makes value the only one of the variable for key. It does not change the array that env was
// made of.
func (env *Environ) Set(key, value string) {
	env.Delete(key)
	*env = append(*env, variable(key)+"="+value)
}

// Delete removes the variable for key.
func (env *Environ) Delete(key string) {
	prefix := variable(key) + "="
	kept := make(Environ, 0, len(*env)+1)
	for _, v := range *env {
		if !strings.HasPrefix(v, prefix) {
			kept = append(kept, v)
		}
	}
	*env = kept
}

// Keys returns the names of all variables that a header may have become.
func (env *Environ) Keys() []string {
	keys := make([]string, 0, len(*env))
	for _, v := range *env {
		if key, _, ok := strings.Cut(v, "="); ok && key == variable(key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// variable returns the name of the variable for a header.
func variable(key string) string {
	if key == "" || '0' <= key[0] && key[0] <= '9' {
		key = "_" + key
	}
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, key)
}
