package routers

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/meshtrace/meshtrace/httpmw"
)

// Gin returns a gin engine in which every request is traced. The middleware is around the engine;
// one line inside it tells the route.
func Gin(cfg httpmw.Config, h Handlers) http.Handler {
	engine := gin.New()
	engine.Use(func(c *gin.Context) {
		httpmw.SetRoute(c.Request.Context(), c.FullPath())
	})
	engine.GET("/users/:id", gin.WrapF(h.User))
	engine.Group("/api").POST("/orders/:id", gin.WrapF(h.Order))
	return httpmw.New(cfg).Wrap(engine)
}
