import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** java Ask.java BASE CA TOKEN: asks the demo's service by Java's own client, over both versions of HTTP. */
public class Ask {
    public static void main(String[] given) throws Exception {
        KeyStore known = KeyStore.getInstance(KeyStore.getDefaultType());
        known.load(null);
        try (FileInputStream file = new FileInputStream(given[1])) {
            known.setCertificateEntry("gateway", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(known);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        HttpClient client = HttpClient.newBuilder().sslContext(context).connectTimeout(Duration.ofSeconds(20)).build();
        for (HttpClient.Version version : HttpClient.Version.values()) {
            HttpRequest.Builder asking = HttpRequest.newBuilder()
                .version(version).timeout(Duration.ofSeconds(30)).header("Authorization", "Bearer " + given[2]);
            List<CompletableFuture<HttpResponse<String>>> many = new ArrayList<>();
            for (int number = 0; number < 20; number++) {
                HttpRequest one = asking.uri(URI.create(given[0] + "java/" + number)).GET().build();
                many.add(client.sendAsync(one, HttpResponse.BodyHandlers.ofString()));
            }
            int right = 0;
            for (int number = 0; number < 20; number++) {
                right += many.get(number).join().body().contains("\"path\": \"/java/" + number + "\"") ? 1 : 0;
            }
            byte[] sent = new byte[300000];
            HttpRequest put = asking.uri(URI.create(given[0] + "sent"))
                .PUT(HttpRequest.BodyPublishers.ofInputStream(() -> new java.io.ByteArrayInputStream(sent))).build();
            String told = client.send(put, HttpResponse.BodyHandlers.ofString()).body();
            HttpRequest get = asking.uri(URI.create(given[0] + "chunks/1000000")).GET().build();
            HttpResponse<byte[]> got = client.send(get, HttpResponse.BodyHandlers.ofByteArray());
            System.out.println(got.version() + " " + right + " " + told.contains("\"size\": 300000") + " " + got.body().length);
        }
    }
}
