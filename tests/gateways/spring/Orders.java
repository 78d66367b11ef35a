// Spring Boot's servlet container around the documented filter, without Spring: it is in no registry
// that the tests reach.
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.File;
import java.io.IOException;
import org.apache.catalina.startup.Tomcat;
import org.apache.tomcat.util.descriptor.web.FilterDef;
import org.apache.tomcat.util.descriptor.web.FilterMap;

public class Orders extends HttpServlet {
    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
        response.setContentType("application/json");
        response.getWriter().write("{\"owner\":\"" + request.getHeader("x-auth-owner") + "\"}");
    }

    public static void main(String[] arguments) throws Exception {
        var tomcat = new Tomcat();
        tomcat.setBaseDir(new File("tomcat").getAbsolutePath());
        tomcat.setPort(8000);
        tomcat.getConnector().setProperty("address", "127.0.0.1");
        var context = tomcat.addContext("", new File(".").getAbsolutePath());
        Tomcat.addServlet(context, "orders", new Orders());
        context.addServletMappingDecoded("/orders", "orders");
        var filter = new FilterDef();
        filter.setFilterName("keybearer");
        filter.setFilter(new KeybearerFilter("orders:read"));
        context.addFilterDef(filter);
        var map = new FilterMap();
        map.setFilterName("keybearer");
        map.addURLPattern("/orders");
        context.addFilterMap(map);
        tomcat.start();
        tomcat.getServer().await();
    }
}
