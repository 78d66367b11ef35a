import org.springframework.boot.web.servlet.FilterRegistrationBean;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

@Configuration
public class KeybearerConfiguration {
    @Bean
    public FilterRegistrationBean<KeybearerFilter> orders() {
        var registration = new FilterRegistrationBean<>(new KeybearerFilter("orders:read"));
        registration.addUrlPatterns("/orders", "/orders/*");
        return registration;
    }
}
