// Package api holds the bodies of the HTTP API, in one definition for the server and for Go clients. The struct tags
// are the schemas that the server validates by and publishes in its OpenAPI document.
package api
