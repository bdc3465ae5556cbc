// Package e2e runs meshtrace's programs against a real Jaeger, and asks Jaeger what it holds.
//
// The tests in this directory are all there is to it; the README says how to run them.
package e2e
