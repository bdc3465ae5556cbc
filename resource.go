package meshtrace

// The resource: what describes this process on every span.

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// podVariables are the names under which pods are commonly given their fields by the downward API.
// Linkerd hides a pod's address from the collector, which can then not look the pod up by it, so
// a span has to say where it comes from.
var podVariables = []struct {
	key   attribute.Key
	names []string // the first one that is set counts
}{
	{semconv.K8SPodNameKey, []string{"K8S_POD_NAME", "POD_NAME"}},
	{semconv.K8SPodUIDKey, []string{"K8S_POD_UID", "POD_UID"}},
	{semconv.K8SPodIPKey, []string{"K8S_POD_IP", "POD_IP"}},
	{semconv.K8SNamespaceNameKey, []string{"K8S_NAMESPACE_NAME", "POD_NAMESPACE"}},
	{semconv.K8SNodeNameKey, []string{"K8S_NODE_NAME", "NODE_NAME"}},
	{semconv.K8SContainerNameKey, []string{"K8S_CONTAINER_NAME"}},
	{semconv.K8SDeploymentNameKey, []string{"K8S_DEPLOYMENT_NAME"}},
}

// detect returns the resource. What is said more explicitly goes over what is said less: the
// process and the pod, OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME, Config.Resource,
// Config.Service.
func (s settings) detect(ctx context.Context) (*resource.Resource, error) {
	detected := []attribute.KeyValue{
		semconv.ServiceName(filepath.Base(os.Args[0])),
		semconv.TelemetrySDKName("meshtrace"),
		semconv.TelemetrySDKLanguageGo,
	}
	if s.jaegerService != "" {
		detected[0] = semconv.ServiceName(s.jaegerService)
	}
	for _, v := range podVariables {
		for _, name := range v.names {
			if value := s.env(name); value != "" {
				detected = append(detected, v.key.String(value))
				break
			}
		}
	}
	res, err := resource.New(ctx,
		resource.WithAttributes(detected...),
		resource.WithHost(),
		resource.WithProcessPID(),
		resource.WithProcessExecutableName(),
		resource.WithProcessRuntimeName(),
		resource.WithProcessRuntimeVersion(),
		resource.WithFromEnv(),
	)
	if err != nil {
		return nil, fmt.Errorf("meshtrace: resource, OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	if res, err = resource.Merge(res, s.Resource); err != nil {
		return nil, fmt.Errorf("meshtrace: Resource: %w", err)
	}
	if s.Service != "" {
		res, err = resource.Merge(res, resource.NewSchemaless(semconv.ServiceName(s.Service)))
	}
	return res, err
}
