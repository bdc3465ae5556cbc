package routers

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/meshtrace/meshtrace/httpmw"
)

// Echo returns an echo instance in which every request is traced. The middleware is around it; a
// few lines inside it tell the route.
func Echo(cfg httpmw.Config, h Handlers) http.Handler {
	e := echo.New()
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			httpmw.SetRoute(c.Request().Context(), c.Path())
			return next(c)
		}
	})
	e.GET("/users/:id", echo.WrapHandler(h.User))
	e.Group("/api").POST("/orders/:id", echo.WrapHandler(h.Order))
	return httpmw.New(cfg).Wrap(e)
}
