// Port 8080 is Keybearer. Java 17 or later, any container with jakarta.servlet (Spring Boot 3 and later).
import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpFilter;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletRequestWrapper;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Collections;
import java.util.Enumeration;
import java.util.List;
import java.util.TreeSet;

public class KeybearerFilter extends HttpFilter {
    // One client for all requests, so that connections are reused. Keybearer does not speak HTTP/2 there.
    private static final HttpClient KEYBEARER =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(1)).build();
    private static final List<String> PASSED_ON =
            List.of("Content-Type", "WWW-Authenticate", "Retry-After", "RateLimit", "RateLimit-Policy");

    private static final List<String> IDENTITY =
            List.of("X-Auth-Key-Id", "X-Auth-Owner", "X-Auth-Owner-Id", "X-Auth-Scopes", "X-Auth-Identity");

    private final URI question;

    public KeybearerFilter(String scope) {
        String escaped = URLEncoder.encode(scope, StandardCharsets.UTF_8);
        question = URI.create("http://127.0.0.1:8080/auth?scope=" + escaped);
    }

    @Override
    protected void doFilter(HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        HttpResponse<String> verdict;
        try {
            var asked = HttpRequest.newBuilder(question).timeout(Duration.ofSeconds(1));
            asked.header("X-Forwarded-For", request.getRemoteAddr());
            // All lines of the header, so that Keybearer sees a repeated one.
            Collections.list(request.getHeaders("Authorization")).forEach(line -> asked.header("Authorization", line));
            verdict = KEYBEARER.send(asked.build(), HttpResponse.BodyHandlers.ofString());
        } catch (IOException | IllegalArgumentException | InterruptedException error) {
            response.setHeader("Retry-After", "1");
            response.setStatus(HttpServletResponse.SC_SERVICE_UNAVAILABLE);
            return;
        }
        if (verdict.statusCode() == 200) {
            chain.doFilter(identified(request, verdict.headers()), response);
            return;
        }
        boolean known = List.of(400, 401, 403, 429).contains(verdict.statusCode());
        response.setStatus(known ? verdict.statusCode() : HttpServletResponse.SC_SERVICE_UNAVAILABLE);
        for (String name : PASSED_ON) {
            verdict.headers().firstValue(name).ifPresent(value -> response.setHeader(name, value));
        }
        response.getWriter().write(verdict.body());
    }

    // The verdict's identity headers replace what the client claims about itself.
    private static HttpServletRequest identified(HttpServletRequest request, HttpHeaders verdict) {
        return new HttpServletRequestWrapper(request) {
            @Override
            public String getHeader(String name) {
                boolean ours = IDENTITY.stream().anyMatch(name::equalsIgnoreCase);
                return ours ? verdict.firstValue(name).orElse("") : super.getHeader(name);
            }

            @Override
            public Enumeration<String> getHeaders(String name) {
                boolean ours = IDENTITY.stream().anyMatch(name::equalsIgnoreCase);
                return ours ? Collections.enumeration(List.of(getHeader(name))) : super.getHeaders(name);
            }

            @Override
            public Enumeration<String> getHeaderNames() {
                var names = new TreeSet<>(String.CASE_INSENSITIVE_ORDER);
                names.addAll(IDENTITY);
                names.addAll(Collections.list(super.getHeaderNames()));
                return Collections.enumeration(names);
            }
        };
    }
}
