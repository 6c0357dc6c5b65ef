package api

// ProjectionNamed is what everything about one projection takes.
type ProjectionNamed struct {
	Name string `path:"name" doc:"The projection." example:"audit"`
}

// ProjectionBuild is one build of a read model: the answer to whoever began it, put it live or removed it.
type ProjectionBuild struct {
	Name   string `json:"name"   doc:"The projection." example:"audit"`
	Schema string `json:"schema" doc:"The physical schema of the build." example:"audit_v1_b2"`
}
